"""Read pictures, invert them in batches, and write pictures, codes and the page to a folder of results.

`inversion` does the optimisation, `files.results` defines the form of the folder. If a run ends early, the finished
pictures are kept.
"""
from __future__ import annotations

import dataclasses
import time
from pathlib import Path

import numpy as np

from tf_idinvert.alignment import record
from tf_idinvert.codes import mean_code, random_codes
from tf_idinvert.files import images, report, results
from tf_idinvert.files.spool import Spool
from tf_idinvert.inversion import Inversion
from tf_idinvert.jobs.batches import in_batches, readable, to_the_end

STARTS = {"encoder": "Encoder Output", "mean": "Mean Start", "random": "Random Start"}      # {name: header in the page}


class Inverter:
    """Inverts pictures into folders; it is compiled once for all folders.

    Args:
        models: Models with a generator, and with an encoder if `start` or the domain term needs it.
        options: InversionOptions.
        features: see `inversion.Inversion`.
        start: initial code, one of STARTS: 'encoder', E(x); 'mean', the mean code of random z; 'random', the code of a
            random z that differs between pictures.
        seed: seed of 'random'.
        label: class of a conditional generator, for 'mean' and 'random'; None: random labels.
        viz_size: see `report.write`.
        log: logging.Logger.
        record: dict for options.json, such as 'arguments'.
        notes: notes for the page.
    """

    def __init__(self, models, options, features, *, viz_size, log, record, start="encoder", seed=0, label=None,
                 notes=()):
        self.models, self.start, self.seed, self.viz_size = models, start, seed, viz_size
        self.label = label
        self.log, self.record, self.notes = log, record, [note for note in notes if note]
        self.mean_code = mean_code(models.generator, label) if start == "mean" else None
        self.inversion = Inversion(synthesis=models.generator.synthesis, encoder=models.encoder, features=features,
                                   options=options)
        self.options = self.inversion.options

    def __call__(self, listing, folder):
        """Invert a listing of (name, path) into an existing folder; return the number of inverted pictures.

        Unreadable pictures are reported and skipped.
        """
        run = _Folder(Path(folder), self.options.result_steps(), self.models.generator.resolution, self.notes)
        started = time.time()
        to_the_end(lambda: self._invert_all(listing, run), lambda: self._finish(run, listing, started))
        return len(run.done)

    def _invert_all(self, listing, run):
        def invert(first, batch, advance):
            loaded = list(readable(batch, self.models.generator.resolution, self.log, run.notes))
            if loaded:
                pictures = [picture for *_, picture in loaded]
                run.add(loaded, self.inversion(pictures, start=self._start_codes(first, len(loaded)),
                                               progress=advance))

        in_batches(listing, self.options.batch_size, self.options.steps, "inversion", self.log, invert)

    def _start_codes(self, first, count):
        """Return the initial codes, [count, L, D]; None: those of the encoder."""
        if self.start == "random":
            return random_codes(self.models.generator, self.seed, first, count, self.label)
        return None if self.mean_code is None else np.repeat(self.mean_code, count, axis=0)

    def _finish(self, run, listing, started):
        seconds = time.time() - started
        if run.done:
            pictures = {each.name: each.path for each in run.done}
            files = [name + Path(path).suffix for name, path in pictures.items()]
            results.write_index(run.folder, files, [each.inverted for each in run.done],
                                [each.encoded for each in run.done])
            results.write_options(run.folder / "options.json", {
                "options": dataclasses.asdict(self.options), "seconds": round(seconds, 1), **self.record,
                "pictures": pictures})
            record.carry(pictures, run.folder, lambda face: [record.Edit(
                f"{face.name}_inv.png", face.name, "inv", f"{face.name}_inv.png")])
            run.write_page(STARTS[self.start], self.options, self.record.get("model", ""), self.viz_size)
        self.log.info("%d of %d pictures inverted in %.1f s -> %s", len(run.done), len(listing), seconds,
                      run.folder / "inversion.html" if run.done else run.folder)


@dataclasses.dataclass(frozen=True)
class _Done:
    """A picture whose files are written: data for the list, the codes and the page."""

    name: str
    path: str
    shown: int              # index of its pictures in the spool
    encoded: np.ndarray     # codes, [L, D]
    inverted: np.ndarray
    mse: list               # at the start, inverted


class _Folder:
    """A folder of results that is being written.

    Pictures are written at once; those of the page are kept in a temporary file. A picture counts as soon as its record
    is in `done`, which happens after all its files are written.
    """

    def __init__(self, folder, shown_steps, side, notes):
        self.folder, self.shown_steps, self.notes = folder, shown_steps, list(notes)
        self.spool, self.done = Spool([2 + len(shown_steps), side, side, 3]), []

    def add(self, batch, result):
        """Add a batch: pictures as `readable` yields them, and their InversionResult."""
        for i, (_, name, path, original) in enumerate(batch):
            for suffix, picture in ("ori", original), ("enc", result.start_images[i]), ("inv", result.images[i]):
                images.save(self.folder / f"{name}_{suffix}.png", picture)
            shown = [original, result.start_images[i], *(result.intermediate[s][i] for s in self.shown_steps)]
            mse = [float(np.mean(np.square(np.clip(picture[i], -1, 1) - original)))
                   for picture in (result.start_images, result.images)]
            self.done.append(_Done(name, path, self.spool.append(images.to_uint8(np.stack(shown))),
                                   result.start_codes[i], result.codes[i], mse))

    def write_page(self, start, options, model, viz_size):
        headers = ["Name", "Original Image", start, *(f"Step {step:06d}" for step in self.shown_steps),
                   "MSE start", "MSE inverted"]
        rows = ([each.name, *map(report.Picture, self.spool[each.shown]), *each.mse] for each in self.done)
        mean = np.mean([each.mse for each in self.done], axis=0).tolist()
        summary = {"Model": Path(model).name, "Pictures": len(self.done), "Iterations": options.steps,
                   "Optimizer": options.optimizer, "Learning rate": options.learning_rate,
                   "λ_vgg": options.feature_weight, "λ_dom": options.domain_weight,
                   "Mean MSE, start": mean[0], "Mean MSE, inverted": mean[1]}
        notes = ["MSE: mean of squared differences to the original, values in [-1, 1].", *self.notes]
        report.write(self.folder / "inversion.html", "Inversion", headers, rows, summary=summary, notes=notes,
                     viz_size=viz_size)
