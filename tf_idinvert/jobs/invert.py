"""Read pictures, invert them in batches, and write pictures, codes and the page to a folder of results.

`inversion` does the optimisation, `files.results` defines the form of the folder. If a run ends early, the finished
pictures are kept, and the same run continues behind them; memory use does not grow with the number of pictures.
"""
from __future__ import annotations

import dataclasses
import time
from functools import partial
from pathlib import Path

import numpy as np

from tf_idinvert import apart
from tf_idinvert.alignment import record
from tf_idinvert.codes import gaussian_codes, mean_code, random_codes
from tf_idinvert.files import atomic, images, results
from tf_idinvert.files.digests import digest
from tf_idinvert.files.printing import printable
from tf_idinvert.files.unfinished import Unfinished, file_state
from tf_idinvert.files.workers import Worker
from tf_idinvert.inversion import Inversion
from tf_idinvert.jobs import shares
from tf_idinvert.jobs.batches import in_batches, readable, to_the_end
from tf_idinvert.jobs.inversion_pages import INDEX, ROWS, Pages

SKIPPED = "skipped: "
STARTS = {"encoder": "Encoder Output", "mean": "Mean Start", "random": "Random Start",      # {name: header in the page}
          "gaussian": "Gaussian Start"}


class Inverter:
    """Inverts pictures into folders; it is compiled once for all folders.

    Args:
        models: Models with a generator, and with an encoder if `start` or the domain term needs it.
        options: InversionOptions.
        features: see `inversion.Inversion`.
        start: initial code, one of STARTS: 'encoder', E(x); 'mean', the mean code of random z; 'random', the code of a
            random z that differs between pictures; 'gaussian', such a draw of N(0, I) in W+.
        seed: seed of 'random' and 'gaussian'.
        label: class of a conditional generator, for 'mean' and 'random'; None: random labels.
        viz_size: see `report.write`.
        log: logging.Logger.
        record: dict for options.json, such as 'arguments'.
        notes: notes for the page.
        worker: Worker, this one; the others run the same with the same folder.
    """

    def __init__(self, models, options, features, *, viz_size, log, record, start="encoder", seed=0, label=None,
                 notes=(), worker=Worker()):
        self.models, self.start, self.seed, self.viz_size = models, start, seed, viz_size
        self.label, self.worker = label, worker
        self.log, self.record, self.notes = log, record, [note for note in notes if note]
        self.mean_code = mean_code(models.generator, label) if start == "mean" else None
        self.inversion = Inversion(synthesis=models.generator.synthesis, encoder=models.encoder, features=features,
                                   options=options)
        self.options = self.inversion.options

    def __call__(self, listing, folder):
        """Invert this worker's share of a listing of (name, path) into an existing folder; return how many of its
        pictures are inverted.

        Unreadable pictures are reported and skipped. If an earlier run of the same record was interrupted in the
        folder, only its missing pictures are inverted; they get the codes that they would have got in one run. The
        worker that finishes last writes what is made of the pictures of all.
        """
        share, started = self.worker.share(listing), time.time()
        shared = {"pictures": digest([str(path) for _, path in listing])} if self.worker.count > 1 else {}
        key = shares.key(self.record, options=dataclasses.asdict(self.options), start=self.start, seed=self.seed,
                         many=len(listing) > ROWS, **shared)        # other shares of another list
        unfinished = Unfinished(folder, key, shares.valid(share), self.worker)
        run = _Folder(Path(folder), unfinished, self._pages(Path(folder), len(listing) > ROWS), len(listing))
        if run.done:
            self.log.info("%d of %d pictures are inverted already", len(run.done), len(share))
        numbers = self.worker.share(range(len(listing)))
        to_the_end(lambda: self._invert_all(list(zip(numbers, share)), run), lambda: self._finish(run, share, started))
        return len(run.done)

    def _pages(self, folder, many):
        options = self.options
        summary = {"Model": Path(self.record.get("model", "")).name, "Pictures": 0, "Iterations": options.steps,
                   "Optimizer": options.optimizer, "Learning rate": options.learning_rate,
                   "λ_vgg": options.feature_weight, "λ_dom": options.domain_weight}
        return Pages(folder, many, side=self.models.generator.resolution, start=STARTS[self.start],
                     steps=options.result_steps(), summary=summary, viz_size=self.viz_size)

    def _invert_all(self, share, run):
        """Invert the pictures of a share that are missing; its items are (number in the listing, (name, path))."""
        done = {each["name"] for each in run.done}

        def read(_, batch):
            found = readable([picture for _, picture in batch], self.models.generator.resolution, self.log, run.notes)
            return [(batch[place][0], *loaded) for place, *loaded in found]

        def invert(batch, advance):
            start = self._start_codes([number for number, *_ in batch])
            return self.inversion([picture for *_, picture in batch], start=start, progress=advance)

        run.busy = in_batches([each for each in share if each[1][0] not in done],
                              apart.together(self.options.batch_size), self.options.steps, "inversion", self.log,
                              invert, read, run.add)
        run.unfinished.complete(run.notes)

    def _start_codes(self, numbers):
        """Return the initial codes of the pictures with these numbers, [N, L, D]; None: those of the encoder."""
        if self.start == "random":          # one by one, so that batches make no difference
            return np.concatenate([random_codes(self.models.generator, self.seed, i, 1, self.label) for i in numbers])
        if self.start == "gaussian":
            return np.concatenate([gaussian_codes(self.models.generator, self.seed, i, 1) for i in numbers])
        return None if self.mean_code is None else np.repeat(self.mean_code, len(numbers), axis=0)

    def _finish(self, run, share, started):
        run.write_last_page(full=False)
        with run.unfinished.parts() as parts:
            if sum(map(len, parts)):
                self._write(run, parts, time.time() - started)
            if parts and run.unfinished.notes is not None:
                run.unfinished.remove_all()
        written = run.folder / INDEX if parts and run.done else run.folder
        if not parts:
            self.log.info("the worker that finishes last writes codes and pages")
        self.log.info("%d of %d pictures inverted in %.1f s%s -> %s", len(run.done), len(share),
                      time.time() - started, "" if run.busy is None else f", device busy {run.busy:.0%}", written)

    def _write(self, run, parts, seconds):
        """Write what is made of the pictures of all workers, from their records."""
        done = [each for part in parts for each in part.records]
        pictures = {each["name"]: each["path"] for each in done}
        run.write_codes(parts, [name + Path(path).suffix for name, path in pictures.items()])
        busy = {} if run.busy is None else {"device_busy": round(run.busy, 3)}
        results.write_options(run.folder / "options.json", {
            "options": dataclasses.asdict(self.options), "seconds": round(seconds, 1), **busy, **self.record,
            "pictures": pictures})
        record.carry(pictures, run.folder, lambda face: [record.Edit(
            f"{face.name}_inv.png", face.name, "inv", f"{face.name}_inv.png")])
        notes = [note for part in parts for note in (run.notes if part is run.unfinished else part.notes)]
        run.write_skipped(notes)
        run.write_pages(parts, [*self.notes, *notes])


class _Folder:
    """A folder of results that is being written.

    Everything of a picture is written at once. It counts as soon as its record is in `done`, which happens after all
    its files are written.

    Args:
        folder: Path.
        unfinished: Unfinished.
        pages: Pages.
        count: number of pictures of all workers.
    """

    def __init__(self, folder, unfinished, pages, count):
        self.folder, self.unfinished, self.pages, self.notes, self.busy = folder, unfinished, pages, [], None
        self.done = unfinished.records
        lengths = [-(-len(worker.share(range(count))) // ROWS) for worker in unfinished.worker.all()]
        self.first_pages = [sum(lengths[:i]) for i in range(len(lengths))]      # of the workers
        self.write_last_page(full=True)     # it may have been killed before

    def add(self, batch, result):
        """Add a batch: pictures as `readable` yields them, and their InversionResult."""
        shape = result.codes.shape[1:]      # one object for the records of a batch
        for i, (_, name, path, original) in enumerate(batch):
            for suffix, picture in ("ori", original), ("enc", result.start_images[i]), ("inv", result.images[i]):
                images.save(self.folder / f"{name}_{suffix}.png", picture)
            shown = [original, result.start_images[i], *(result.intermediate[s][i] for s in self.pages.steps)]
            mse = [float(np.mean(np.square(np.clip(picture[i], -1, 1) - original)))
                   for picture in (result.start_images, result.images)]
            place = len(self.done)
            self.unfinished.append(
                {"name": name, "path": path, "file": file_state(path), "mse": mse, "codes": shape},
                {"encoded": (np.asarray(result.start_codes[i], "<f4"), place),
                 "inverted": (np.asarray(result.codes[i], "<f4"), place),
                 "shown": (images.to_uint8(np.stack(shown)), place % ROWS)})
            self.write_last_page(full=True)

    def write_last_page(self, full):
        """Write this worker's last page of a large collection, if it is full, or if it is not."""
        if self.pages.many and self.done and full == (len(self.done) % ROWS == 0):
            last = (len(self.done) - 1) // ROWS
            self.pages.write_part(self.first_pages[self.unfinished.worker.index] + last, self.done[last * ROWS:],
                                  partial(self.shown, self.unfinished))

    def write_pages(self, parts, notes):
        """Write the page of all pictures, or the index, from the workers' records."""
        places = shares.places(parts)
        self.pages.write([(first, part.records) for first, part in zip(self.first_pages, parts)],
                         lambda place: self.shown(*places[place]), notes)

    def shown(self, part, place):
        """Return the pictures of a row of the last page of a worker's record."""
        return part.row("shown", place, [2 + len(self.pages.steps), self.pages.side, self.pages.side, 3], np.uint8)

    def write_codes(self, parts, files):
        """Write the codes, then the list of pictures."""
        codes = next(each["codes"] for part in parts for each in part.records)
        for name in "encoded", "inverted":
            shares.write_rows(self.folder / f"{name}_codes.npy", parts, name, codes)
        results.write_list(self.folder, files)

    def write_skipped(self, notes):
        """Write skipped.txt, a line for every picture that could not be read; delete that of an earlier run."""
        skipped = [note for note in notes if note.startswith(SKIPPED)]
        if skipped:
            atomic.write_text(self.folder / "skipped.txt", "".join(
                f"{printable(note[len(SKIPPED):])}\n" for note in skipped))
        else:
            (self.folder / "skipped.txt").unlink(missing_ok=True)
