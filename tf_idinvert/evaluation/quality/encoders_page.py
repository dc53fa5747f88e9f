"""Write the results of `encoders.assess` as encoders.md, encoders.json and a sheet of pictures."""
from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from tf_idinvert.evaluation import tables
from tf_idinvert.evaluation.quality.encoders import DEVIATIONS
from tf_idinvert.files import atomic, images
from tf_idinvert.portraits import portrait

SHOWN = 12                  # columns of the sheet


def write(folder, result, network):
    """Write encoders.json and encoders.md.

    Args:
        folder: existing folder.
        result: dict with 'encoders', the numbers of `encoders.assess`, 'count', 'seed' and 'resolution'.
        network: the attribute network.
    """
    folder = Path(folder)
    atomic.write_text(folder / "encoders.json", json.dumps(tables.plain(result), indent=1) + "\n")
    atomic.write_text(folder / "encoders.md", page(result, network))


def page(result, network):
    """Return the text of encoders.md."""
    found = result["encoders"]
    edited = [name for name in network.names if name in portrait.ATTRIBUTES]
    others = [name for name in network.names if name not in portrait.ATTRIBUTES]
    names = {name: f"`{name}`" if name != "none" else "none" for name in found}
    heads = {name: f"{name} ({'right' if name in network.binary else 'R²'})" for name in network.names}
    rows = [[names[name], each["mse"], each.get("samples"), each["swd"], *(each["agreement"][one] for one in edited),
             each["frechet"], each["outliers"], each["neighbours"]] for name, each in found.items()]
    parts = [tables.Table("Encoders on held-out portraits", about(result), [
        "encoder", "MSE", "MSE of samples", "SWD x 1000", *(heads[one] for one in edited), "Fréchet distance to W",
        "outliers", "nearest neighbours"], rows)]
    if others:
        rows = [[names[name], *(each["agreement"][one] for one in others)] for name, each in found.items()]
        parts.append(tables.Table("Further attributes", "Agreement, as above.", [
            "encoder", *(heads[one] for one in others)], rows))
    order = ", ".join(["the originals", *(names[name] for name in found if name != "none")])
    picture = f"![Reconstructions](encoders.png)\n\nRows of the picture, from the top: {order}.\n"
    return "\n".join([*map(tables.markdown, parts), picture])


def about(result):
    """Return the description of the measurement for encoders.md."""
    return (f"{result['count']:,} portraits rendered with seed {result['seed']}, which none of the trainings draws; "
            f"{result['resolution']} px, values in [-1, 1], reconstructions clipped to that. MSE: mean over pixels, "
            "channels and pictures; of samples: on as many pictures that the generator drew itself. SWD: sliced "
            "Wasserstein distance to the originals (Karras et al. 2018), mean over the pyramid's levels, 8 bits. "
            "Attributes: what the attribute network sees in the reconstructions against "
            "what the originals were rendered with, as the share of right answers, or R². Codes E(x) are compared with "
            f"as many FC(z), z of seed {result['seed']}. Fréchet distance to W: mean over the layers; too large with "
            f"few codes. Outliers: share with a component beyond {DEVIATIONS:g} standard deviations of "
            "FC(z). Nearest neighbours: share of codes whose nearest one is of their own set, 0.5 for two sets of one "
            "distribution, 1 for sets that lie apart. Row 'none', to compare with: other portraits (seed "
            f"{result['seed'] + 1}) in place of the reconstructions for MSE and SWD, the originals themselves for the "
            "attributes, FC(z) of other z (of the last encoder's generator) for the codes. In brackets: 95 % "
            "intervals.")


def draw_sheet(path, sets):
    """Write a sheet with one row of pictures per set."""
    images.save(path, images.grid(np.concatenate([each.first(SHOWN) for each in sets]), SHOWN))
