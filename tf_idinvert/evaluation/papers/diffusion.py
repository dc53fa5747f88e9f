"""Figure 8 of In-Domain GAN Inversion and Figure 9 of Force-in-domain: semantic diffusion, with numbers.

The square in the middle of a target is copied into a context. In-Domain inverts the stitched picture with both losses
inside the square only; Force-in-domain inverts it with its encoder alone. The papers claim that the result keeps the
target's centre and has no seam; both are measured.
"""
from __future__ import annotations

import numpy as np

from tf_idinvert import editing
from tf_idinvert.evaluation.papers.methods import Missing
from tf_idinvert.evaluation.tables import Part, Table
from tf_idinvert.files import images
from tf_idinvert.inversion import InversionOptions, invert
from tf_idinvert.metrics import intervals

SHOWN = 6


def diffusion(bench):
    """Diffuse targets into contexts by the methods of both papers; return the Part."""
    count = min(bench.sizes.diffused, len(bench.originals.pictures) // 2)
    if count < 1:
        raise Missing("diffusion needs two pictures")
    targets, contexts = (images.to_float(np.asarray(bench.originals.pictures[rows]))
                         for rows in (slice(0, count), slice(count, 2 * count)))
    box = editing.crop_box(targets.shape[1])
    stitched = editing.stitch(targets, contexts, box)
    numbers, rows, shown = {}, [], [targets[:SHOWN], contexts[:SHOWN], stitched[:SHOWN]]
    for name, label, role in (("inversion", "In-domain inversion inside the square", "in-domain"),
                              ("force", "Force-in-domain encoder", "force-in-domain")):
        try:
            networks = bench.of(role)
        except Missing as error:
            rows.append([label, str(error), None, None, None])
            continue
        found = _inverted(bench, networks, stitched, box) if name == "inversion" else np.concatenate(
            list(bench.draw(networks.generator, bench.encode(networks, stitched))))
        found = found.clip(-1, 1)
        numbers[name] = each = {
            "inside": intervals.mean(_inside(found, targets, box)),
            "contexts": intervals.mean(_inside(contexts, targets, box)),
            "seam": intervals.mean(seam(found, box) / np.maximum(seam(stitched, box), 1e-6))}
        rows.append([label, count, *each.values()])
        shown.append(found[:SHOWN])
    text = (f"The first {count} of {bench.originals.about} as targets, the next {count} as contexts; a square of "
            f"{box[2]} px; {bench.sizes.steps} steps. Errors: MSE inside the square, values in [-1, 1]. Seam: mean "
            "step of neighbouring pixels across the square's edge, over that of the pasted pictures.")
    return Part(numbers, [Table("Semantic diffusion", text, ["method", "pairs", "error against the target",
                                                             "the context's own error", "seam"], rows)],
                {"sheet": images.to_uint8(np.stack(shown, axis=1))})


def _inverted(bench, networks, stitched, box):
    """Invert the square of stitched pictures; the losses ignore everything else."""
    options = InversionOptions(steps=bench.sizes.steps, batch_size=bench.sizes.inversion_batch,
                               feature_weight=bench.feature_weight if bench.features else 0.0)
    with bench.progress(1, "semantic diffusion") as bar:
        result = invert(stitched, synthesis=networks.generator.synthesis, encoder=networks.encoder,
                        features=bench.features, options=options, mask=editing.box_mask(stitched.shape[1], box))
        bar.update(1)
    return result.images


def _inside(first, second, box):
    """Return the mean squared differences inside the square, [N]."""
    top, left, side = box
    inside = np.s_[:, top:top + side, left:left + side]
    return np.square(first[inside].astype(np.float64) - second[inside]).mean(axis=(1, 2, 3))


def seam(pictures, box):
    """Return the mean absolute difference of neighbouring pixels across the edge of a square, [N]."""
    top, left, side = box
    rows, columns, steps = np.s_[top:top + side], np.s_[left:left + side], []
    for at in (top, top + side):
        if 0 < at < pictures.shape[1]:
            steps.append(np.abs(pictures[:, at, columns] - pictures[:, at - 1, columns]).mean(axis=(1, 2)))
    for at in (left, left + side):
        if 0 < at < pictures.shape[2]:
            steps.append(np.abs(pictures[:, rows, at] - pictures[:, rows, at - 1]).mean(axis=(1, 2)))
    return np.mean(steps, axis=0)
