"""From files to a folder of results: reads pictures, inverts them batch by batch, writes pictures, codes and the page.

The optimisation itself is in `inversion`, the form of the folder in `results`. Whatever ends a run early, what is done
is kept.
"""
from __future__ import annotations

import contextlib
import dataclasses
import time
from pathlib import Path

import numpy as np

from tf_idinvert.codes import mean_code, random_codes
from tf_idinvert.files import images, report, results
from tf_idinvert.files.progress import progress
from tf_idinvert.files.spool import Spool
from tf_idinvert.inversion import Inversion

CANNOT_GO_ON = (KeyboardInterrupt, OSError, ValueError)     # full disks are OSError, or ImageError, a ValueError
STARTS = {"encoder": "Encoder Output", "mean": "Mean Start", "random": "Random Start"}      # names, headers of the page


class Inverter:
    """Inverts pictures into folders; compiled once for all folders.

    Args:
        models: Models with a generator, and an encoder where one is needed.
        options: InversionOptions.
        features: see `inversion.Inversion`.
        start: where the optimisation begins, one of STARTS: 'encoder', E(x); 'mean', the mean code of random z; or
            'random', the mapped code of a random z of the picture's own.
        seed: of 'random'.
        viz_size: see `report.write`.
        log: logging.Logger.
        record: dict that goes into options.json, 'arguments' and the like.
        notes: for the page.
    """

    def __init__(self, models, options, features, *, viz_size, log, record, start="encoder", seed=0, notes=()):
        self.models, self.options, self.start, self.seed, self.viz_size = models, options, start, seed, viz_size
        self.log, self.record, self.notes = log, record, [note for note in notes if note]
        self.mean_code = mean_code(models.generator) if start == "mean" else None
        self.inversion = Inversion(synthesis=models.generator.synthesis, encoder=models.encoder, features=features,
                                   options=options)

    def __call__(self, listing, folder):
        """Invert a listing of (name, path) into an existing folder -> number of pictures done.

        A picture that cannot be read is reported and left out.
        """
        run = _Folder(Path(folder), self.options.result_steps(), self.models.generator.resolution, self.notes)
        started = time.time()
        try:
            self._invert_all(listing, run)
        except CANNOT_GO_ON:
            with contextlib.suppress(OSError, ValueError):
                self._finish(run, listing, started)
            raise
        self._finish(run, listing, started)
        return len(run.names)

    def _invert_all(self, listing, run):
        batch_size, steps = self.options.batch_size, max(self.options.steps, 1)
        with progress(len(listing) * steps, "inversion", log=self.log) as bar:
            for first in range(0, len(listing), batch_size):
                batch = list(readable(listing[first:first + batch_size], self.models.generator.resolution, self.log,
                                      run.notes))
                if batch:
                    names, paths, pictures = zip(*batch)
                    run.paths.update(zip(names, map(str, paths)))

                    def advance(share, loss):
                        bar.n = round((first + share * len(names)) * steps)
                        bar.set_postfix_str(f"loss {loss:.4f}")

                    start = self._start_codes(first, len(names))
                    run.add(names, pictures, self.inversion(pictures, start=start, progress=advance))
                bar.n = min(first + batch_size, len(listing)) * steps
                bar.refresh()

    def _start_codes(self, first, count):
        """Codes to start from, [count, L, D]; None: those of the encoder."""
        if self.start == "random":
            return random_codes(self.models.generator, self.seed, first, count)
        return None if self.mean_code is None else np.repeat(self.mean_code, count, axis=0)

    def _finish(self, run, listing, started):
        seconds = time.time() - started
        if run.names:
            pictures = {name: run.paths[name] for name in run.names}
            files = [name + Path(path).suffix for name, path in pictures.items()]
            results.write_index(run.folder, files, run.inverted, run.encoded)
            results.write_options(run.folder / "options.json", {
                "options": dataclasses.asdict(self.options), "seconds": round(seconds, 1), **self.record,
                "pictures": pictures})
            run.write_page(STARTS[self.start], self.options, self.record.get("model", ""), self.viz_size)
        self.log.info("%d of %d pictures inverted in %.1f s -> %s", len(run.names), len(listing), seconds,
                      run.folder / "inversion.html" if run.names else run.folder)


class _Folder:
    """A folder while it is filled: pictures are written as they are done, the page's wait in a temporary file."""

    def __init__(self, folder, shown_steps, side, notes):
        self.folder, self.shown_steps, self.notes = folder, shown_steps, list(notes)
        self.spool = Spool([2 + len(shown_steps), side, side, 3])
        self.names, self.paths, self.encoded, self.inverted, self.mse = [], {}, [], [], []

    def add(self, names, originals, result):
        for i, name in enumerate(names):
            for suffix, picture in (("ori", originals[i]), ("enc", result.start_images[i]), ("inv", result.images[i])):
                images.save(self.folder / f"{name}_{suffix}.png", picture)
            shown = [originals[i], result.start_images[i], *(result.intermediate[s][i] for s in self.shown_steps)]
            self.spool.append(images.to_uint8(np.stack(shown)))
            self.names.append(name)
            self.encoded.append(result.start_codes[i])
            self.inverted.append(result.codes[i])
            self.mse.append([float(np.mean(np.square(np.clip(picture[i], -1, 1) - originals[i])))
                             for picture in (result.start_images, result.images)])

    def write_page(self, start, options, model, viz_size):
        headers = ["Name", "Original Image", start, *(f"Step {step:06d}" for step in self.shown_steps),
                   "MSE start", "MSE inverted"]
        rows = ([name, *map(report.Picture, pictures), *mse]
                for name, pictures, mse in zip(self.names, self.spool, self.mse))
        mean = [sum(column) / len(self.mse) for column in zip(*self.mse)]
        summary = {"Model": Path(model).name, "Pictures": len(self.names), "Iterations": options.steps,
                   "Optimizer": options.optimizer, "Learning rate": options.learning_rate,
                   "λ_vgg": options.feature_weight, "λ_dom": options.domain_weight,
                   "Mean MSE, start": mean[0], "Mean MSE, inverted": mean[1]}
        notes = ["MSE: mean of squared differences to the original, values in [-1, 1].", *self.notes]
        report.write(self.folder / "inversion.html", "Inversion", headers, rows, summary=summary, notes=notes,
                     viz_size=viz_size)


def readable(listing, resolution, log, notes):
    """Yield (name, path, picture [R, R, 3]) of the pictures that can be read; the others are logged and noted.

    Args:
        listing: (name, path) of pictures.
        resolution: R, to which pictures are brought.
        log: logging.Logger.
        notes: list of notes for the page, to which is added.
    """
    for name, path in listing:
        try:
            picture, note = images.load(path, resolution)
        except images.ImageError as error:
            log.error("skipped: %s", error)
            notes.append(f"skipped: {error}")
            continue
        if note:
            log.info("%s: %s", path, note)
            notes.append(f"{name}: {note}")
        yield name, path, picture
