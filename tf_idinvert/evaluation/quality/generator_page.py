"""Write the results of `generator.assess` as quality.md, quality.json and sheets of pictures."""
from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import tensorflow as tf

from tf_idinvert import editing
from tf_idinvert.codes import random_codes
from tf_idinvert.evaluation import tables
from tf_idinvert.evaluation.quality.generator import TFGAN_PICTURES
from tf_idinvert.files import atomic, images

SHOWN, COLUMNS, GAP = 64, 8, 12
INTERPOLATIONS, STEPS = 6, 10


def write(folder, result, network):
    """Write quality.json and quality.md.

    Args:
        folder: existing folder.
        result: numbers of `generator.assess`, and 'model', the path of the generator's file.
        network: the attribute network.
    """
    folder = Path(folder)
    atomic.write_text(folder / "quality.json", json.dumps(tables.plain(result), indent=1) + "\n")
    parts = distances(result), attributes(result, network.binary), codes(result)
    atomic.write_text(folder / "quality.md", "\n".join([
        f"# {Path(result['model']).name} against rendered portraits\n", *map(tables.markdown, parts)]))


def distances(result):
    """Return the table of distances between pictures."""
    rows = []
    for name, value, floor in _distances(result):
        rows.append([name, value, floor, value / floor if floor > 0 else None])
    by_tfgan = result["tfgan"].get("failure") or (
        f"TF-GAN's: the first {min(TFGAN_PICTURES, result['count']):,} of each set, each patch normalised.")
    text = (f"{result['count']:,} samples (psi 1, fresh noise, seed {result['seed']}) against as many renders (seed "
            f"{result['seed']}), {result['resolution']} px, 8 bits, not resized. Floor: as many renders of seed "
            f"{result['seed'] + 1} against the same renders. SWD: 64 patches of 7 x 7 a picture and level, 512 "
            f"directions (Karras et al. 2018). {by_tfgan} FD: not to be compared with FID.")
    return tables.Table("Distances", text, ["distance", "samples", "floor", "times the floor"], rows)


def _distances(result):
    """Yield (name, distance of the samples, distance of the other renders)."""
    samples, floor = result["samples"], result["floor"]
    for level, value in samples["sliced_wasserstein"].items():
        name = f"SWD x 1000, {level if level == 'mean' else f'{level} px'}"
        yield name, 1000 * value, 1000 * floor["sliced_wasserstein"][level]
    yield "FD of the attribute network's embedding", samples["frechet"], floor["frechet"]
    yield "FD, extrapolated to infinitely many", samples["frechet_extrapolated"], floor["frechet_extrapolated"]
    if "failure" not in result["tfgan"]:
        for level, (value, own) in result["tfgan"].items():
            yield f"TF-GAN's SWD x 1000, {level} px", 1000 * value, 1000 * own


def attributes(result, binary):
    """Return the table of attribute scores."""
    rows = []
    for name, true in result["renders"].items():
        found, floor = (result[each]["attributes"][name] for each in ("samples", "floor"))
        rows.append([name, f"{result['agreement'][name]:.3f} {'right' if name in binary else 'R²'}", true["mean"],
                     found["mean"], true["std"], found["std"], found["difference"], floor["difference"]])
    return tables.Table("Attributes", (
        "Means and standard deviations of the network's scores, in the units of `portraits`; binary attributes are "
        "probabilities. Agreement: of the network with the truth, on these renders. Differing share: share of "
        "pictures that would have to change bins, of ten over the range."), [
        "attribute", "agreement", "mean, renders", "mean, samples", "deviation, renders",
        "deviation, samples", "differing share", "its floor"], rows)


def codes(result):
    """Return the table of the separability of attributes in W, with the path length in its text."""
    rows = []
    for name in result["agreement"]:
        found = result["separability"].get(name, {"failure": "not predictable by the network"})
        rows.append([name, *([found["failure"], ""] if "failure" in found else [
            f"{100 * found[part]:.1f} %" for part in ("validation", "rest")])])
    path = result["path"]
    text = ("Share of codes w on the correct side of a linear SVM's hyperplane, fitted to 70 % of the samples in the "
            "highest and lowest tenth of an attribute. Path length in W, by the attribute network's embedding: "
            f"{path['length']:.4g}, {path['ratio']:.3g} times that of a straight and even change "
            f"({path['straight']:.4g}).")
    return tables.Table("W", text, ["attribute", "confident tenths, held out", "all others"], rows)


def draw_sheets(folder, generator, samples, renders, seed):
    """Write samples.png (psi 1, psi 0.7 and renders side by side) and interpolations.png (straight lines in W).

    Args:
        folder: existing folder.
        generator: Generator.
        samples, renders: Pictures.
        seed: seed of the codes for psi 0.7 and for the interpolations.
    """
    w = random_codes(generator, seed, 0, SHOWN)
    draw = tf.function(generator.synthesis, reduce_retracing=True, autograph=False)
    truncated = draw(generator.truncate(w, 0.7)).numpy()
    sheets = [images.grid(each, COLUMNS) for each in (samples.first(SHOWN), truncated, renders.first(SHOWN))]
    space = np.full([len(sheets[0]), GAP, 3], 255, np.uint8)
    images.save(Path(folder) / "samples.png",
                np.concatenate([sheets[0], space, sheets[1], space, sheets[2]], axis=1))
    steps = editing.interpolate(w[:INTERPOLATIONS], w[INTERPOLATIONS:2 * INTERPOLATIONS], STEPS)
    pictures = draw(steps.reshape(-1, *w.shape[1:])).numpy()
    images.save(Path(folder) / "interpolations.png", images.grid(pictures, STEPS))
