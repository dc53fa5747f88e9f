"""Figure 10 of In-Domain GAN Inversion: pictures of another kind, inverted with the same network.

Pixels alone can be fitted with codes that mean nothing; in-domain inversion should stay near W, at the price of the
likeness.
"""
from __future__ import annotations

import numpy as np

from tf_idinvert.evaluation import scenes
from tf_idinvert.evaluation.papers.methods import METHODS, Missing
from tf_idinvert.evaluation.part import Part
from tf_idinvert.evaluation.tables import Table
from tf_idinvert.files import images

SHOWN = ("encoder", "inversion", "mse", "force")
PHOTOGRAPHS = 4             # of a user's folder


def out_of_domain(bench, photographs=()):
    """A picture of the domain, drawn scenes and a user's photographs, by four methods.

    Args:
        bench: Bench.
        photographs: list of (name, path), as `images.listing` gives it; the first PHOTOGRAPHS are taken.
    """
    resolution = bench.originals.pictures.shape[1]
    pictures = {"in the domain": np.array(bench.originals.pictures[0]), "drawn cat": scenes.cat(resolution),
                "drawn bedroom": scenes.bedroom(resolution)}
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
