"""Semantic diffusion of every target into every context: pictures, codes and a page (Zhu et al. 2020, section 3.4).

A job named JOB writes the pictures to JOB/, and JOB_encoded_codes.npy, JOB_inverted_codes.npy and JOB.html beside it.
If a run ends early, the finished pairs are kept, and the codes of the others are NaN.
"""
from __future__ import annotations

from pathlib import Path

import numpy as np

from tf_idinvert import apart, editing
from tf_idinvert.alignment import record
from tf_idinvert.files import images, report
from tf_idinvert.files.digests import file_digest
from tf_idinvert.files.unfinished import Unfinished
from tf_idinvert.files.workers import Worker
from tf_idinvert.jobs import shares
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
        record: dict of what else the results depend on.
        notes: notes for the page.
        worker: Worker, this one; the others run the same with the same folder.
    """

    def __init__(self, base, targets, contexts, box, inversion, generator, *, model, viz_size, log, record=(), notes=(),
                 worker=Worker()):
        self.base, self.targets, self.contexts, self.box = Path(base), targets, contexts, box
        self.inversion, self.generator, self.model, self.viz_size = inversion, generator, model, viz_size
        self.log, self.notes = log, [note for note in notes if note]
        self.count, self.steps = len(targets) * len(contexts), inversion.options.result_steps()
        self.shown = [4 + len(self.steps), generator.resolution, generator.resolution, 3]
        self.record, self.worker = dict(record), worker

    def run(self):
        """Diffuse all pairs of this worker's share; return the number of finished pairs.

        An interrupted run is continued, and the worker that finishes last writes codes and page, as in `jobs.invert`.
        """
        self.base.mkdir(exist_ok=True)
        share = self.worker.share(range(self.count))
        key = shares.key(self.record, pictures=[[[name, str(path), file_digest(path)] for name, path in side]
                                                for side in (self.targets, self.contexts)])
        unfinished = Unfinished(self.base, key, worker=self.worker)
        to_the_end(lambda: self._diffuse_all(share, unfinished), lambda: self._finish(unfinished))
        return len(unfinished)

    def _diffuse_all(self, share, unfinished):
        mask, options = editing.box_mask(self.generator.resolution, self.box), self.inversion.options

        def diffuse(loaded, advance):
            return self.inversion([stitched for *_, stitched in loaded], mask=mask, progress=advance)

        in_batches(share[len(unfinished):], apart.together(options.batch_size), options.steps, "diffusion", self.log,
                   diffuse, self._load, lambda loaded, result: self._save(loaded, result, unfinished))
        unfinished.complete([])

    def _load(self, _, batch):
        """Return the pictures of a batch of numbers of pairs."""
        pairs = [(self.targets[i // len(self.contexts)], self.contexts[i % len(self.contexts)]) for i in batch]
        loaded = {path: images.load(path, self.generator.resolution)[0] for pair in pairs for _, path in pair}
        targets, contexts = (np.stack([loaded[path] for _, path in side]) for side in zip(*pairs))
        names = [(target, context) for (target, _), (context, _) in pairs]
        return list(zip(names, targets, contexts, editing.stitch(targets, contexts, self.box)))

    def _save(self, batch, result, unfinished):
        """Write the pictures of every pair of a batch, then its record."""
        top, left, side = self.box
        for i, ((target, context), *given) in enumerate(batch):
            name, stitched, place = f"{target}_TO_{context}", given[-1], len(unfinished)
            for suffix, picture in ("sti", stitched), ("enc", result.start_images[i]), ("inv", result.images[i]):
                images.save(self.base / f"{name}_{suffix}.png", picture)
            shown = np.stack([*given, result.start_images[i], *(result.intermediate[step][i] for step in self.steps)])
            inside = [np.square(np.clip(picture[i], -1, 1) - stitched)[top:top + side, left:left + side]
                      for picture in (result.start_images, result.images)]
            unfinished.append({"title": f"{target} to {context}", "mse": [float(np.mean(each)) for each in inside]},
                              {"encoded": (np.asarray(result.start_codes[i], "<f4"), place),
                               "inverted": (np.asarray(result.codes[i], "<f4"), place),
                               "shown": (images.to_uint8(shown), place)})

    def _finish(self, unfinished):
        with unfinished.parts() as parts:
            if sum(map(len, parts)):
                row = [self.generator.num_layers, self.generator.dlatent_size]
                for name in "encoded", "inverted":
                    shares.write_rows(f"{self.base}_{name}_codes.npy", parts, name, row,
                                      [len(self.targets), len(self.contexts), *row])
                self._write_page(parts)
            if parts and unfinished.notes is not None:
                unfinished.remove_all()
        if not parts:
            self.log.info("the worker that finishes last writes codes and page")
        self.log.info("%d of %d pairs diffused -> %s", len(unfinished), len(self.worker.share(range(self.count))),
                      f"{self.base}.html" if parts else self.base)

    def _write_page(self, parts):
        record.carry(dict(self.contexts), self.base, lambda face: [
            record.Edit(f"{name}_TO_{face.name}_inv.png", face.name, f"WITH_{name}") for name, _ in self.targets
            if (self.base / f"{name}_TO_{face.name}_inv.png").exists()])
        headers = ["Names", "Target Image", "Context Image", "Stitched Image", "Encoder Output",
                   *(f"Step {step:06d}" for step in self.steps), "MSE start", "MSE diffused"]
        rows = ([part.records[place]["title"], *map(report.Picture, part.row("shown", place, self.shown, np.uint8)),
                 *part.records[place]["mse"]] for part, place in shares.places(parts))
        options, (top, left, side) = self.inversion.options, self.box
        summary = {"Model": self.model, "Targets": len(self.targets), "Contexts": len(self.contexts),
                   "Crop": f"{side} px around x {left + side // 2}, y {top + side // 2}", "Iterations": options.steps,
                   "Optimizer": options.optimizer, "Learning rate": options.learning_rate,
                   "λ_vgg": options.feature_weight}
        notes = ["MSE: mean of squared differences to the stitched picture inside the crop, values in [-1, 1].",
                 *self.notes]
        report.write(f"{self.base}.html", "Semantic diffusion", headers, rows, summary=summary, notes=notes,
                     viz_size=self.viz_size)
