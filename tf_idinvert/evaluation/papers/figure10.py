"""Figure 10 of In-Domain GAN Inversion: inversion of pictures from another domain.

An optimisation of pixels alone can fit such pictures with codes far from W. In-domain inversion should stay near W and
fit them less well. Two drawn scenes, a cat's face and a bedroom, replace the paper's photographs, so that the
experiment needs no files; their coordinates are in hundredths of the side.
"""
from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from tf_idinvert.evaluation.papers.methods import METHODS, Missing
from tf_idinvert.evaluation.tables import Part, Table
from tf_idinvert.files import images

SHOWN = ("encoder", "inversion", "mse", "force")
PHOTOGRAPHS = 4             # largest number of photographs from a user's folder
FINER = 4                   # scenes are drawn larger by this factor, then averaged


def readable(photographs, log):
    """Yield those of the first PHOTOGRAPHS (name, path) that can be read; `log` names the others."""
    for name, path in photographs[:PHOTOGRAPHS]:
        try:
            images.read(path)
        except images.ImageError as error:
            log.error("left out: %s", error)
        else:
            yield name, path


def out_of_domain(bench, photographs=()):
    """Invert a picture of the domain, drawn scenes and a user's photographs by four methods; return the Part.

    Args:
        bench: Bench.
        photographs: list of (name, path) that can be read; the first PHOTOGRAPHS are taken.
    """
    resolution = bench.originals.pictures.shape[1]
    pictures = {"in the domain": np.array(bench.originals.pictures[0]), "drawn cat": cat(resolution),
                "drawn bedroom": bedroom(resolution)}
    for name, path in list(photographs)[:PHOTOGRAPHS]:
        pictures[f"photograph {name}"] = images.fit(images.read(path), resolution)[0]
    targets = np.stack(list(pictures.values()))
    numbers, rows, columns, headers = {}, [], [targets], ["target"]
    for method in SHOWN:
        label = METHODS[method].label
        try:
            inverted = bench.invert(method, targets)
        except Missing as error:
            rows.append([label, str(error), None, None])
            continue
        apart = bench.strangeness(bench.generator(method), inverted.codes)
        numbers[method] = {name: {"mse": float(inverted.mse[i]), "deviations": float(apart[i])}
                           for i, name in enumerate(pictures)}
        rows += [[label, name, each["mse"], each["deviations"]] for name, each in numbers[method].items()]
        columns.append(np.array(inverted.pictures))
        headers.append(label)
    own = f" and {len(pictures) - 3} photographs, cropped to their centre" if len(pictures) > 3 else ""
    text = (f"One of the originals, two drawn scenes{own}, at {resolution} px. {bench.sizes.steps} steps of in-domain "
            f"inversion, {bench.sizes.mse_steps} on pixels alone. MSE: values in [-1, 1], clipped. Deviations from W "
            "as in Table 1: mapped codes have 1.")
    numbers["headers"], numbers["names"] = headers, list(pictures)
    return Part(numbers, [Table("Figure 10: out of the domain", text, ["method", "picture", "MSE", "deviations from W"],
                                rows)], {"sheet": np.stack(columns, axis=1)})


def cat(resolution):
    """Draw a cat's face from the front: uint8 [R, R, 3]."""
    fur, dark, pink = (226, 150, 74), (150, 88, 40), (240, 160, 160)
    shapes = [("polygon", [(18, 8), (46, 30), (16, 52)], fur), ("polygon", [(82, 8), (54, 30), (84, 52)], fur),
              ("polygon", [(23, 17), (38, 30), (22, 40)], pink), ("polygon", [(77, 17), (62, 30), (78, 40)], pink),
              ("ellipse", [(12, 22), (88, 94)], fur), ("ellipse", [(30, 56), (70, 88)], (250, 236, 214))]
    shapes += [("polygon", [(x, 24), (x + 5, 24), (x + 2.5, 40)], dark) for x in (40, 47.5, 55)]
    for x in (34, 66):
        shapes += [("ellipse", [(x - 10, 43), (x + 10, 59)], (196, 214, 92)),
                   ("ellipse", [(x - 2.5, 43.5), (x + 2.5, 58.5)], (20, 20, 20))]
    shapes += [("polygon", [(44, 62), (56, 62), (50, 69)], pink)]
    lines = [[(50, 69), (50, 75)], [(50, 75), (42, 79)], [(50, 75), (58, 79)]]
    lines += [[(50 + side * 14, 70 + i), (50 + side * 46, 64 + 4 * i)] for side in (-1, 1) for i in (0, 3, 6)]
    return _drawn(resolution, (120, 168, 196), shapes, lines, (70, 44, 30))


def bedroom(resolution):
    """Draw a bed under a window, a lamp and a picture: uint8 [R, R, 3]."""
    wood, white = (128, 84, 52), (246, 244, 238)
    shapes = [("polygon", [(0, 70), (100, 70), (100, 100), (0, 100)], (176, 138, 98)),
              ("polygon", [(8, 10), (40, 10), (40, 44), (8, 44)], white),
              ("polygon", [(11, 13), (37, 13), (37, 41), (11, 41)], (150, 204, 240)),
              ("polygon", [(58, 12), (82, 12), (82, 30), (58, 30)], wood),
              ("polygon", [(60, 14), (80, 14), (80, 28), (60, 28)], (96, 150, 110)),
              ("polygon", [(22, 46), (94, 46), (94, 66), (22, 66)], wood),
              ("polygon", [(26, 56), (56, 56), (56, 66), (26, 66)], white),
              ("polygon", [(60, 56), (90, 56), (90, 66), (60, 66)], white),
              ("polygon", [(22, 64), (94, 64), (100, 92), (14, 92)], (74, 96, 160)),
              ("polygon", [(21, 70), (95, 70), (96, 75), (20, 75)], white),
              ("polygon", [(2, 66), (16, 66), (16, 88), (2, 88)], wood),
              ("polygon", [(5, 48), (13, 48), (16, 58), (2, 58)], (250, 220, 130)),
              ("polygon", [(8, 58), (10, 58), (10, 66), (8, 66)], (60, 60, 60))]
    lines = [[(24, 13), (24, 41)], [(11, 27), (37, 27)], [(14, 92), (14, 97)], [(99, 92), (99, 97)]]
    return _drawn(resolution, (214, 198, 190), shapes, lines, (90, 70, 60))


def _drawn(resolution, background, shapes, lines, ink):
    scale = resolution * FINER / 100
    image = Image.new("RGB", (resolution * FINER,) * 2, background)
    draw = ImageDraw.Draw(image)
    for kind, corners, colour in shapes:
        getattr(draw, kind)([(round(x * scale), round(y * scale)) for x, y in corners], fill=colour)
    for ends in lines:
        draw.line([(round(x * scale), round(y * scale)) for x, y in ends], fill=ink, width=max(round(1.2 * scale), 1))
    return np.array(image.resize((resolution, resolution), Image.Resampling.BOX))
