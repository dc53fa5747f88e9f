"""How well faces are found: aligned pictures put into scenes at known places, and scenes without any.

A picture counts as found where a square lies within 0.35 of its side, in the mean of the corners; every other square is
a false find. Errors of corners are shares of the true square's side.
"""
from __future__ import annotations

import dataclasses
import time

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from tf_idinvert.alignment import finding, quad, warp
from tf_idinvert.alignment.landmarks import square_along
from tf_idinvert.files import images
from tf_idinvert.inversion import Inversion
from tf_idinvert.portraits import portrait, scene, wild
from tf_idinvert.portraits.wild.backdrop import SCENES, backdrop
from tf_idinvert.portraits.wild.canvas import WildCanvas
from tf_idinvert.portraits.wild.sitter import Sitter
from tf_idinvert.portraits.wild.traits import checked

SIZE, FOUND = (1024, 768), 0.35
GROUNDS = ("backdrop", "wall", "noise", "text")


@dataclasses.dataclass(frozen=True)
class Case:
    """How pictures are placed: side in pixels, degrees, how many a scene, and what is done to them."""

    name: str
    side: int = 300
    degrees: float = 0.0
    count: int = 1
    bar: bool = False           # a dark bar over a quarter of the picture, across mouth or eyes
    border: bool = False        # a tenth of the side lies beyond the photograph
    mirrored: bool = False


CASES = [*(Case(f"{angle} degrees", degrees=angle) for angle in (0, 15, 30, 45, 90, 180)),
         *(Case(f"{side} px", side=side) for side in (400, 200, 120, 80, 50)),
         Case("two a scene", 250, 10, 2), Case("behind a bar", 300, 0, 1, bar=True),
         Case("over the border", 300, 0, 1, border=True), Case("mirrored", 300, 0, 1, mirrored=True)]


def run(log, pictures, empty=200, cases=CASES, seed=0):
    """A row for every case, and one for scenes without faces.

    Args:
        log: function of a line.
        pictures: list of uint8 [R, R, 3], aligned as FFHQ's.
        empty: number of scenes without faces.
    """
    find, rows = finding.Finder(), []
    for case in cases:
        log(f"alignment: {case.name}")
        rows.append(placed(find, case, pictures, np.random.default_rng([seed, CASES.index(case)])))
    if empty:
        log(f"alignment: {empty} scenes without faces")
        found = [len(find(ground(GROUNDS[i % len(GROUNDS)], i))) for i in range(empty)]
        rows.append({"benchmark": "alignment", "scenes without faces": empty, "false finds": sum(found),
                     "scenes with one": sum(map(bool, found))})
    return rows


def misaligned(log, models, features, options, count=16, seed=1000):
    """Rows of what a misalignment costs: rendered portraits, cut out of their own picture a little beside their frame.

    A portrait is drawn at 256 px and cut out by `warp.crop` moved, turned or scaled so that its corners are off by a
    share of its side; each is inverted, and compared with the crop that it was inverted from.

    Args:
        log: function of a line.
        models: Models with encoder and generator of rendered portraits.
        features, options: see `inversion.Inversion`.
        count: number of portraits.
        seed: of `portrait.sample`.
    """
    invert = Inversion(synthesis=models.generator.synthesis, encoder=models.encoder, features=features,
                       options=options)
    pictures, rng, rows = portrait.sample(count, seed, 256)[0], np.random.default_rng(seed), []
    for name, share in (("none", 0.0), ("moved", 0.02), ("turned", 0.02), ("scaled", 0.02), ("moved", 0.05),
                        ("turned", 0.05), ("scaled", 0.05)):
        log(f"alignment: {name} {share:.0%}")
        signs = rng.choice([-1.0, 1.0], count)
        crops = np.stack([images.to_float(warp.crop(picture, _off(name, share * sign), models.generator.resolution))
                          for picture, sign in zip(pictures, signs)])
        found = invert(crops)
        rows.append({"benchmark": "misalignment", "portraits": name, "corner error": share,
                     "MSE encoder": float(np.mean(np.square(np.clip(found.start_images, -1, 1) - crops))),
                     "MSE inverted": float(np.mean(np.square(np.clip(found.images, -1, 1) - crops)))})
    return rows


def _off(how, share, side=256):
    """The frame of a picture, its corners off by a share of its side."""
    frame = quad.UNIT - 0.5
    if how == "moved":
        frame = frame + share * np.sqrt(0.5)
    elif how == "turned":
        angle = 2 * np.arcsin(share * np.sqrt(0.5))
        frame = frame @ np.array([(np.cos(angle), np.sin(angle)), (-np.sin(angle), np.cos(angle))])
    elif how == "scaled":
        frame = frame * (1 + share * np.sqrt(2))
    return (frame + 0.5) * side


def placed(find, case, pictures, rng):
    """The row of a case."""
    errors, false, seconds = [], 0, []
    for first in range(0, len(pictures), case.count):
        group = pictures[first:first + case.count]
        pixels, truth = composed(group, case, rng)
        started = time.process_time()
        squares = [quad.ffhq(each.five) for each in find(pixels)]
        seconds.append(time.process_time() - started)
        for true in truth:
            best = min((quad.corner_error(each, true) for each in squares), default=np.inf)
            errors.append(best)
        false += sum(min(quad.corner_error(each, true) for true in truth) > FOUND for each in squares)
    good = [error for error in errors if error <= FOUND]
    return {"benchmark": "alignment", "scene": case.name, "pictures": len(errors), "found": len(good),
            "false finds": false, "median corner error": float(np.median(good)) if good else np.nan,
            "95th percentile": float(np.percentile(good, 95)) if good else np.nan,
            "ms": 1000 * float(np.median(seconds))}


def composed(pictures, case, rng):
    """A scene with pictures, uint8 [768, 1024, 3], and their quads; beside each other where they are two."""
    scene_ = images.to_float(ground(GROUNDS[int(rng.integers(3))], int(rng.integers(1 << 30)))).copy()
    truth, angle = [], np.radians(case.degrees + rng.uniform(-3, 3))
    reach = case.side * (abs(np.cos(angle)) + abs(np.sin(angle))) / 2
    for i, picture in enumerate(pictures):
        width = SIZE[0] / len(pictures)
        x, y = (rng.uniform(low + reach, max(high - reach, low + reach + 1)) for low, high in
                ((i * width, (i + 1) * width), (0, SIZE[1])))
        if case.border:
            x = 0.4 * case.side
        true = square_along((x, y), (np.cos(angle), np.sin(angle)), case.side)
        _put(scene_, _changed(picture, case, rng), true)
        truth.append(true)
    return images.to_uint8(scene_), truth


def _changed(picture, case, rng):
    picture = picture[:, ::-1].copy() if case.mirrored else picture.copy()
    if case.bar:
        side = len(picture)
        top = int(side * rng.choice([0.35, 0.62]))
        picture[top:top + side // 8] = 30
    return picture


def _put(scene_, picture, true):
    left, top, right, bottom = box = warp.box_in(true, SIZE)
    values = warp.place(np.dstack([images.to_float(picture), np.ones(picture.shape[:2], np.float32)]), true, box)
    share = np.clip(values[:, :, 3:], 0, 1)
    scene_[top:bottom, left:right] += (values[:, :, :3] - scene_[top:bottom, left:right]) * share


def ground(kind, seed):
    """A scene without a face: uint8 [768, 1024, 3]."""
    rng = np.random.default_rng([seed, 11])
    if kind == "wall":
        return scene.wall(SIZE, seed)
    if kind == "backdrop":
        values = {name: each[0] for name, each in wild.attributes_of(1, seed).items()}
        canvas = WildCanvas(256)
        backdrop(canvas, Sitter(checked({**values, "scene": float(seed % len(SCENES))})))
        return np.array(Image.fromarray(canvas.picture()[:192].astype(np.uint8)).resize(SIZE, Image.Resampling.BICUBIC))
    if kind == "text":
        return _page(rng)
    total = np.zeros([SIZE[1], SIZE[0], 3], np.float32)
    for cell in (2, 6, 20, 70, 250):
        small = rng.uniform(-1, 1, [SIZE[1] // cell + 3, SIZE[0] // cell + 3, 3]).astype(np.float32)
        small = 0.3 * small + 0.7 * small.mean(axis=2, keepdims=True)       # hardly any colour
        layers = [Image.fromarray(small[:, :, c]).resize(SIZE, Image.Resampling.BICUBIC) for c in range(3)]
        total += np.stack(layers, axis=2) * cell ** 0.6
    return images.to_uint8(total / np.abs(total).max())


def _page(rng):
    page = Image.new("RGB", SIZE, tuple(int(each) for each in rng.integers(180, 256, 3)))
    draw, y = ImageDraw.Draw(page), 20
    while y < SIZE[1]:
        size = int(rng.integers(14, 60))
        words = ("".join(rng.choice(list("abcdefghijklmnopqrstuvwxyz0OQ8:"), rng.integers(2, 9))) for _ in range(12))
        draw.text((20, y), " ".join(words), fill=tuple(int(each) for each in rng.integers(0, 120, 3)),
                  font=ImageFont.load_default(size))
        y += int(size * 1.4)
    return np.array(page)
