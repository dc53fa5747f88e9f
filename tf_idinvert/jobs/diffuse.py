"""Semantic diffusion of every target into every context: pictures, codes and a page (Zhu et al. 2020, section 3.4).

A job named JOB writes the pictures to JOB/, and JOB_encoded_codes.npy, JOB_inverted_codes.npy and JOB.html beside it.
If a run ends early, the finished pairs are kept, and the codes of the others are NaN.
"""
from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from tf_idinvert import editing
from tf_idinvert.alignment import record
from tf_idinvert.files import arrays, images, report
from tf_idinvert.files.spool import Spool
from tf_idinvert.jobs.batches import in_batches, readable, to_the_end


def readable_pictures(listing, resolution, log, notes):
    """Return the (name, path) of readable pictures; others are logged, and noted for the page.

    Raises:
        ImageError: no picture can be read.
    """
    found = [(name, path) for _, name, path, _ in readable(listing, resolution, log, notes)]
    if not found:
        raise images.ImageError(f"none of {len(listing)} pictures could be read")
    return found


@dataclasses.dataclass(frozen=True)
class _Done:
    """A pair whose files are written: data for the page."""

    title: str
    shown: int          # index of its pictures in the spool
    mse: list           # inside the crop: at the start, diffused


class Diffusion:
    """All pairs of targets and contexts, batch by batch.

    Args:
        base: path of the job, FOLDER/JOB, in an existing folder.
        targets, contexts: lists of (name, path) of readable pictures.
        box: (top, left, side) of the square, in the network's pixels; see `editing.crop_box`.
        inversion: `inversion.Inversion` of the generator.
        generator: Generator.
        model: name of the model, for the page.
        viz_size: see `report.write`.
        log: logging.Logger.
        notes: notes for the page.
    """

    def __init__(self, base, targets, contexts, box, inversion, generator, *, model, viz_size, log, notes=()):
        self.base, self.targets, self.contexts, self.box = Path(base), targets, contexts, box
        self.inversion, self.generator, self.model, self.viz_size = inversion, generator, model, viz_size
        self.log, self.notes = log, [note for note in notes if note]
        self.count, self.steps, self.done = len(targets) * len(contexts), inversion.options.result_steps(), []
        self.spool = Spool([4 + len(self.steps), generator.resolution, generator.resolution, 3])

    def run(self):
        """Diffuse all pairs; return the number of finished pairs."""
        self.base.mkdir(exist_ok=True)
        to_the_end(self._diffuse_all, self._write_page)
        return len(self.done)

    def _diffuse_all(self):
        mask = editing.box_mask(self.generator.resolution, self.box)
        shape = [len(self.targets), len(self.contexts), self.generator.num_layers, self.generator.dlatent_size]
        options = self.inversion.options
        with arrays.filling(f"{self.base}_encoded_codes.npy", shape, self.done) as encoded, \
                arrays.filling(f"{self.base}_inverted_codes.npy", shape, self.done) as inverted:
            def diffuse(_, batch, advance):
                pairs = [(self.targets[i // len(self.contexts)], self.contexts[i % len(self.contexts)]) for i in batch]
                targets, contexts, stitched = self._load(pairs)
                result = self.inversion(stitched, mask=mask, progress=advance)
                for i, found in enumerate(self._saved(pairs, targets, contexts, stitched, result)):
                    encoded.append(result.start_codes[i])
                    inverted.append(result.codes[i])
                    self.done.append(found)

            in_batches(range(self.count), options.batch_size, options.steps, "diffusion", self.log, diffuse)

    def _load(self, pairs):
        """Return targets, contexts and stitched pictures of a batch of pairs, [N, R, R, 3] in [-1, 1]."""
        loaded = {path: images.load(path, self.generator.resolution)[0] for pair in pairs for _, path in pair}
        targets, contexts = (np.stack([loaded[path] for _, path in side]) for side in zip(*pairs))
        return targets, contexts, editing.stitch(targets, contexts, self.box)

    def _saved(self, pairs, targets, contexts, stitched, result):
        """Write the pictures of every pair, then yield its record for `done`."""
        top, left, side = self.box
        for i, ((target, _), (context, _)) in enumerate(pairs):
            name = f"{target}_TO_{context}"
            for suffix, picture in ("sti", stitched[i]), ("enc", result.start_images[i]), ("inv", result.images[i]):
                images.save(self.base / f"{name}_{suffix}.png", picture)
            shown = self.spool.append(images.to_uint8(np.stack([
                targets[i], contexts[i], stitched[i], result.start_images[i],
                *(result.intermediate[step][i] for step in self.steps)])))
            inside = [np.square(np.clip(picture[i], -1, 1) - stitched[i])[top:top + side, left:left + side]
                      for picture in (result.start_images, result.images)]
            yield _Done(f"{target} to {context}", shown, [float(np.mean(square)) for square in inside])

    def _write_page(self):
        if not self.done:
            return
        record.carry(dict(self.contexts), self.base, lambda face: [
            record.Edit(f"{name}_TO_{face.name}_inv.png", face.name, f"WITH_{name}") for name, _ in self.targets
            if (self.base / f"{name}_TO_{face.name}_inv.png").exists()])
        headers = ["Names", "Target Image", "Context Image", "Stitched Image", "Encoder Output",
                   *(f"Step {step:06d}" for step in self.steps), "MSE start", "MSE diffused"]
        rows = ([each.title, *map(report.Picture, self.spool[each.shown]), *each.mse] for each in self.done)
        options, (top, left, side) = self.inversion.options, self.box
        summary = {"Model": self.model, "Targets": len(self.targets), "Contexts": len(self.contexts),
                   "Crop": f"{side} px around x {left + side // 2}, y {top + side // 2}", "Iterations": options.steps,
                   "Optimizer": options.optimizer, "Learning rate": options.learning_rate,
                   "λ_vgg": options.feature_weight}
        notes = ["MSE: mean of squared differences to the stitched picture inside the crop, values in [-1, 1].",
                 *self.notes]
        report.write(f"{self.base}.html", "Semantic diffusion", headers, rows, summary=summary, notes=notes,
                     viz_size=self.viz_size)
        self.log.info("%d of %d pairs diffused -> %s.html", len(self.done), self.count, self.base)
