"""Figure 9 of In-Domain GAN Inversion: a larger weight of the domain term reconstructs worse and edits better."""
from __future__ import annotations

import numpy as np

from tf_idinvert import editing
from tf_idinvert.evaluation.papers import table2
from tf_idinvert.evaluation.tables import Part, Table
from tf_idinvert.files import images
from tf_idinvert.metrics import intervals

WEIGHTS = {"lambda0": 0, "inversion": 2, "lambda40": 40}
SHOWN = 6


def ablation(bench):
    """Return the Part with reconstructions and manipulations for λ_dom 0, 2 and 40, on the same pictures."""
    count = min(bench.sizes.ablated, bench.sizes.optimised)
    numbers, arrays, rows = {}, {"originals": np.array(bench.originals.pictures[:min(SHOWN, count)])}, []
    for method, weight in WEIGHTS.items():
        inverted = bench.inverted(method, count)
        found = {"mse": intervals.mean(inverted.mse), "quality": None,
                 "deviations": float(np.mean(bench.strangeness(bench.generator(method), inverted.codes)))}
        arrays[f"{weight}-reconstructed"] = np.array(inverted.pictures[:SHOWN])
        if bench.boundaries:
            moved = table2.manipulated(bench, method, inverted.codes)
            found["quality"] = table2.mean_quality(table2.changes(bench, inverted.pictures, moved))
            arrays[f"{weight}-manipulated"] = manipulated(bench, method, inverted.codes[:SHOWN])
        numbers[str(weight)] = found
        quality = found["quality"] or {}
        rows.append([f"λ_dom {weight}", count, found["mse"], *(quality.get(name) for name in (
            "wanted", "unwanted", "quality")), found["deviations"]])
    text = (f"The first {count} of {bench.originals.about}; {bench.sizes.steps} steps of in-domain inversion that "
            f"differ in the weight. MSE: values in [-1, 1]. {table2.ABOUT_QUALITY} Means over the attributes.")
    return Part(numbers, [Table("Figure 9: the weight of the domain term", text, [
        "weight", "pictures", "MSE", "wanted change", "unwanted change", "quality", "deviations from W"], rows)],
                arrays)


def manipulated(bench, method, codes):
    """Return uint8 pictures of the codes, moved along the boundary of eyeglasses, as in the paper, or the first one."""
    name = "eyeglasses" if "eyeglasses" in bench.boundaries else next(iter(bench.boundaries))
    normal, layers, reach = table2.direction(bench, method, name)
    moved = editing.manipulate(codes, normal, [reach], layers)[:, 0]
    return images.to_uint8(next(bench.draw(bench.generator(method), moved)))
