"""Read pictures, invert them in batches, and write pictures, codes and the page to a folder of results.

`inversion` does the optimisation, `files.results` defines the form of the folder. If a run ends early, the finished
pictures are kept, and the same run continues behind them; memory use does not grow with the number of pictures.
"""
from __future__ import annotations

import dataclasses
import os
import time
from pathlib import Path

import numpy as np

from tf_idinvert.alignment import record
from tf_idinvert.codes import mean_code, random_codes
from tf_idinvert.files import arrays, atomic, images, results
from tf_idinvert.files.digests import file_digest
from tf_idinvert.files.printing import printable
from tf_idinvert.files.unfinished import Unfinished
from tf_idinvert.inversion import Inversion
from tf_idinvert.jobs.batches import in_batches, readable, to_the_end
from tf_idinvert.jobs.inversion_pages import INDEX, ROWS, Pages

SKIPPED = "skipped: "
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

        Unreadable pictures are reported and skipped. If an earlier run of the same record was interrupted in the
        folder, only its missing pictures are inverted; they get the codes that they would have got in one run.
        """
        run = _Folder(Path(folder), listing, self._pages(Path(folder), listing), self._key())
        if run.done:
            self.log.info("%d of %d pictures are inverted already", len(run.done), len(listing))
        started = time.time()
        to_the_end(lambda: self._invert_all(listing, run), lambda: self._finish(run, listing, started))
        run.unfinished.remove()
        return len(run.done)

    def _key(self):
        """Return what the codes depend on, and the form of the files."""
        return {**self.record, "options": dataclasses.asdict(self.options), "start": self.start, "seed": self.seed}

    def _pages(self, folder, listing):
        options = self.options
        summary = {"Model": Path(self.record.get("model", "")).name, "Pictures": 0, "Iterations": options.steps,
                   "Optimizer": options.optimizer, "Learning rate": options.learning_rate,
                   "λ_vgg": options.feature_weight, "λ_dom": options.domain_weight}
        side, steps = self.models.generator.resolution, options.result_steps()
        return Pages(folder, len(listing) > ROWS, side=side, start=STARTS[self.start], steps=steps, summary=summary,
                     notes=list(self.notes), viz_size=self.viz_size)

    def _invert_all(self, listing, run):
        done = {each["name"] for each in run.done}
        left = [(i, name, path) for i, (name, path) in enumerate(listing) if name not in done]

        def invert(first, batch, advance):
            loaded = list(readable([each[1:] for each in batch], self.models.generator.resolution, self.log,
                                   run.notes))
            if loaded:
                pictures = [picture for *_, picture in loaded]
                start = self._start_codes([batch[place][0] for place, *_ in loaded])
                run.add(loaded, self.inversion(pictures, start=start, progress=advance))

        in_batches(left, self.options.batch_size, self.options.steps, "inversion", self.log, invert)

    def _start_codes(self, numbers):
        """Return the initial codes of the pictures with these numbers, [N, L, D]; None: those of the encoder."""
        if self.start == "random":          # one by one, so that batches make no difference
            return np.concatenate([random_codes(self.models.generator, self.seed, i, 1, self.label) for i in numbers])
        return None if self.mean_code is None else np.repeat(self.mean_code, len(numbers), axis=0)

    def _finish(self, run, listing, started):
        seconds = time.time() - started
        if run.done:
            pictures = {each["name"]: each["path"] for each in run.done}
            run.write_codes([name + Path(path).suffix for name, path in pictures.items()])
            results.write_options(run.folder / "options.json", {
                "options": dataclasses.asdict(self.options), "seconds": round(seconds, 1), **self.record,
                "pictures": pictures})
            record.carry(pictures, run.folder, lambda face: [record.Edit(
                f"{face.name}_inv.png", face.name, "inv", f"{face.name}_inv.png")])
            run.write_skipped()
            run.pages.write(run.done, run.shown)
        self.log.info("%d of %d pictures inverted in %.1f s -> %s", len(run.done), len(listing), seconds,
                      run.folder / INDEX if run.done else run.folder)


class _Folder:
    """A folder of results that is being written.

    Everything of a picture is written at once. It counts as soon as its record is in `done`, which happens after all
    its files are written.
    """

    def __init__(self, folder, listing, pages, key):
        known = {name: str(path) for name, path in listing}
        self.folder, self.pages, self.notes = folder, pages, pages.notes
        self.unfinished = Unfinished(folder, {**key, "many": pages.many}, valid=lambda each: (
            known.get(each["name"]) == each["path"] and _unchanged(each["path"], each["file"])))
        self.done = self.unfinished.records
        if self.done and pages.many and len(self.done) % ROWS == 0:     # it may have been killed before this page
            self._write_full_page()

    def add(self, batch, result):
        """Add a batch: pictures as `readable` yields them, and their InversionResult."""
        for i, (_, name, path, original) in enumerate(batch):
            for suffix, picture in ("ori", original), ("enc", result.start_images[i]), ("inv", result.images[i]):
                images.save(self.folder / f"{name}_{suffix}.png", picture)
            shown = [original, result.start_images[i], *(result.intermediate[s][i] for s in self.pages.steps)]
            mse = [float(np.mean(np.square(np.clip(picture[i], -1, 1) - original)))
                   for picture in (result.start_images, result.images)]
            place = len(self.done)
            self.unfinished.append(
                {"name": name, "path": path, "file": _state(path), "mse": mse, "codes": result.codes[i].shape},
                {"encoded": (np.asarray(result.start_codes[i], "<f4"), place),
                 "inverted": (np.asarray(result.codes[i], "<f4"), place),
                 "shown": (images.to_uint8(np.stack(shown)), place % ROWS)})
            if self.pages.many and len(self.done) % ROWS == 0:
                self._write_full_page()

    def _write_full_page(self):
        last = len(self.done) // ROWS - 1
        self.pages.write_part(last, self.done[last * ROWS:], self.shown)

    def shown(self, place):
        """Return the pictures of a row of the last page."""
        return self.unfinished.row("shown", place, [2 + len(self.pages.steps), self.pages.side, self.pages.side, 3],
                                   np.uint8)

    def write_codes(self, files):
        """Write the codes, then the list of pictures."""
        shape = [len(files), *self.done[0]["codes"]]
        for name in "encoded", "inverted":
            arrays.write_rows(self.folder / f"{name}_codes.npy", shape, self.unfinished.path(name))
        results.write_list(self.folder, files)

    def write_skipped(self):
        """Write skipped.txt, a line for every picture that could not be read; delete that of an earlier run."""
        skipped = [note for note in self.notes if note.startswith(SKIPPED)]
        if skipped:
            atomic.write_text(self.folder / "skipped.txt", "".join(
                f"{printable(note[len(SKIPPED):])}\n" for note in skipped))
        else:
            (self.folder / "skipped.txt").unlink(missing_ok=True)


def _state(path):
    """Return [size, time of the last change, SHA-256] of a file."""
    status = os.stat(path)
    return [status.st_size, status.st_mtime_ns, file_digest(path)]


def _unchanged(path, state):
    """Return whether a file is as it was; one that was written again with the same content is, too."""
    try:
        status = os.stat(path)
        return [status.st_size, status.st_mtime_ns] == state[:2] or file_digest(path) == state[2]
    except OSError:
        return False
