"""Restore degraded pictures, or intact ones that are degraded first; write pictures, codes and a page to a folder.

`restoration.multi_code` does the search. If a run ends early, the finished pictures are kept, and the same run
continues behind them.
"""
from __future__ import annotations

import dataclasses
import itertools
import time
from pathlib import Path

import numpy as np

from tf_idinvert import apart
from tf_idinvert.alignment import record
from tf_idinvert.files import images, report, results
from tf_idinvert.files.unfinished import Unfinished, file_state
from tf_idinvert.files.workers import Worker
from tf_idinvert.jobs import shares
from tf_idinvert.jobs.batches import in_batches, readable, to_the_end
from tf_idinvert.restoration import degradations, tasks


@dataclasses.dataclass(frozen=True)
class RestoreOptions:
    """Settings of a restoration besides those of the search."""

    task: str                   # see `tasks.degradation`
    degrade: bool = False       # the pictures are intact: degrade them first, and compare the results with them
    keep_input: bool = False    # put the known parts of the input back; inpainting always does
    factor: int = 4             # factor of super-resolution
    noise: float = 0.2          # standard deviation of the noise to add for denoising, values in [-1, 1]
    seed: int = 0               # seed of initial codes and noise

    def has_original(self):
        return self.degrade or self.task == "inversion"

    def takes_small(self):
        """Whether the input pictures have the network's side / factor."""
        return self.task == "super-resolve" and not self.degrade

    def kinds(self):
        """The kinds of result, which are scored if the original is known; 'plain' is made without a network."""
        return ["plain", "restored"] + ["composite"] * (self.keep_input or self.task == "inpaint")


class Restorer:
    """Restores pictures into folders; it is compiled once for all folders.

    Args:
        models: Models with a generator; an encoder, if present, gives the initial code.
        search: `multi_code.MultiCode` of that generator, with the degradation of the task.
        options: RestoreOptions.
        viz_size: see `report.write`.
        log: logging.Logger.
        record: dict for options.json, such as 'model' and 'arguments'.
        notes: notes for the page.
        worker: Worker, this one; the others run the same with the same folder.
    """

    def __init__(self, models, search, options, *, viz_size, log, record, notes=(), worker=Worker()):
        self.models, self.search, self.options, self.viz_size, self.worker = models, search, options, viz_size, worker
        self.log, self.record, self.notes = log, record, [note for note in notes if note]

    def __call__(self, listing, folder):
        """Restore this worker's share of a listing of (name, path) into an existing folder; return how many of its
        pictures are restored.

        Unreadable pictures are reported and skipped. An interrupted run is continued, and the worker that finishes last
        writes what is made of the pictures of all, as by `jobs.invert.Inverter`.
        """
        share = list(zip(self.worker.share(range(len(listing))), self.worker.share(listing)))
        key = shares.key(self.record, options=dataclasses.asdict(self.search.options),
                         task=dataclasses.asdict(self.options), listing=[name for name, _ in listing])
        unfinished = Unfinished(folder, key, shares.valid(self.worker.share(listing)), self.worker)
        run = _Folder(Path(folder), self.options, self.search.options, self.models.generator.resolution, unfinished)
        if run.done:
            self.log.info("%d of %d pictures are restored already", len(run.done), len(share))
        started = time.time()
        to_the_end(lambda: self._restore_all(share, run), lambda: self._finish(run, share, started))
        return len(run.done)

    def _restore_all(self, share, run):
        """Restore the pictures of a share that are missing; its items are (number in the listing, (name, path))."""
        done = {each["name"] for each in run.done}
        in_batches([each for each in share if each[1][0] not in done], apart.together(self.search.options.batch_size),
                   self.search.options.steps, self.options.task, self.log, self._restore_batch,
                   lambda _, batch: list(self._loaded(batch, run.notes)), run.add)
        run.unfinished.complete(run.notes)

    def _loaded(self, batch, notes):
        """Yield a `_Given` for every readable picture; see `_restore_all`."""
        options, degrade, side = self.options, self.search.degrade, self.models.generator.resolution
        small = options.takes_small()
        for i, name, path, picture in readable([picture for _, picture in batch],
                                               side // options.factor if small else side, self.log, notes):
            given = picture[None]
            if options.task == "denoise" and options.degrade:
                given = degradations.add_noise(given, options.noise, options.seed, batch[i][0])
            seen = given if small else np.asarray(degrade(given))
            yield _Given(name, path, picture, (given if options.task == "denoise" else seen)[0], seen[0])

    def _restore_batch(self, batch, advance):
        """Return ({kind: result pictures}, MultiCodeResult) of a list of `_Given`."""
        degrade = self.search.degrade
        observed = np.stack([each.observed for each in batch])
        plain = np.asarray(degrade.plain(observed), "float32")
        start = tasks.start_codes(self.models.generator, self.models.encoder, plain, self.search.options.codes,
                                  self.options.seed)
        result = self.search(observed, start, progress=advance)
        made = {"plain": plain, "restored": np.clip(result.images, -1, 1)}
        if "composite" in self.options.kinds():
            made["composite"] = np.clip(degrade.composite(made["restored"], observed), -1, 1)
        return made, result

    def _finish(self, run, share, started):
        with run.unfinished.parts() as parts:
            if sum(map(len, parts)):
                self._write(run, parts, time.time() - started)
            if parts and run.unfinished.notes is not None:
                run.unfinished.remove_all()
        if not parts:
            self.log.info("the worker that finishes last writes codes and page")
        self.log.info("%d of %d pictures restored in %.1f s -> %s", len(run.done), len(share), time.time() - started,
                      run.folder / "restoration.html" if parts and run.done else run.folder)

    def _write(self, run, parts, seconds):
        """Write what is made of the pictures of all workers, from their records."""
        done = [each for part in parts for each in part.records]
        pictures = {each["name"]: each["path"] for each in done}
        for name, shape in done[0]["shapes"].items():
            shares.write_rows(run.folder / f"{name}.npy", parts, name, shape)
        results.write_options(run.folder / "options.json", {
            "options": dataclasses.asdict(self.search.options), "seconds": round(seconds, 1), **self.record,
            "pictures": pictures})
        kind = "com" if "composite" in self.options.kinds() else "res"
        record.carry(pictures, run.folder, lambda face: [record.Edit(f"{face.name}_{kind}.png", face.name, "restored")])
        notes = [note for part in parts for note in (run.notes if part is run.unfinished else part.notes)]
        run.write_page(parts, self.record.get("model", ""), self.viz_size, [*self.notes, *notes],
                       self._write_mask(run.folder))

    def _write_mask(self, folder):
        """The mask of inpainting [R, R, 3], white where something is missing, written to a file, too; else None."""
        if self.options.task != "inpaint":
            return None
        mask = np.repeat(1 - 2 * np.asarray(self.search.degrade.known)[0], 3, axis=-1)
        images.save(folder / "restoration_mask.png", mask)
        return mask


@dataclasses.dataclass(frozen=True)
class _Given:
    """A picture that was read."""

    name: str
    path: str
    original: np.ndarray    # [R, R, 3], or of side R / factor if the input is small
    degraded: np.ndarray    # as the page shows it
    observed: np.ndarray    # observation for the search; blurred for denoising


class _Folder:
    """A folder of results that is being written; a picture counts as soon as its record is in `done`."""

    def __init__(self, folder, options, search, side, unfinished):
        self.folder, self.options, self.search, self.side, self.notes = folder, options, search, side, []
        self.steps = search.result_steps()[:-1]         # the last is the result
        self.unfinished, self.done = unfinished, unfinished.records
        self.shown = [options.has_original() + 1 + len(self.steps) + len(options.kinds()), side, side, 3]

    def add(self, batch, results_):
        """Add a batch: a list of `_Given`, and what `Restorer._restore_batch` returned."""
        (made, result), scores = results_, [[]] * len(batch)
        if self.options.has_original():
            originals = np.stack([each.original for each in batch])
            found = [tasks.scores(made[kind], originals) for kind in self.options.kinds()]
            scores = [[float(each[score][i]) for score in ("psnr", "ssim") for each in found]
                      for i in range(len(batch))]
        for i, given in enumerate(batch):
            shown = self._save(given, {kind: pictures[i] for kind, pictures in made.items()},
                               [result.intermediate[step][i] for step in self.steps])
            codes = {"codes": result.codes[i], "shared_codes": result.shared[i], "alphas": result.alphas[i]}
            self.unfinished.append(
                {"name": given.name, "path": given.path, "file": file_state(given.path), "scores": scores[i],
                 "shapes": {name: values.shape for name, values in codes.items()}},
                {name: (np.asarray(values, dtype), len(self.done)) for name, values, dtype in (
                    *((name, values, "<f4") for name, values in codes.items()), ("shown", shown, "u1"))})

    def _save(self, given, made, steps):
        """Write the files of one picture; return its pictures for the page."""
        known = self.options.has_original()
        files = {"deg": given.degraded, "res": made["restored"], "com": made.get("composite"),
                 "ori": given.original if known else None}
        for suffix, picture in files.items():
            if picture is not None:
                images.save(self.folder / f"{given.name}_{suffix}.png", picture)
        times = self.side // len(given.degraded)
        enlarged = given.degraded.repeat(times, axis=0).repeat(times, axis=1)
        shown = [given.original] * known + [enlarged, made["plain"], *steps, *list(made.values())[1:]]
        return images.to_uint8(np.stack(shown))

    def write_page(self, parts, model, viz_size, notes, mask=None):
        """Write the page of the pictures of all workers."""
        kinds, known, search = self.options.kinds(), self.options.has_original(), self.search
        scored = [f"{score} {kind}" for score in ("PSNR", "SSIM") for kind in kinds] if known else []
        headers = ["Name", *["Original"] * known, "Degraded", "Without a network",
                   *(f"Step {step:06d}" for step in self.steps), *(kind.title() for kind in kinds[1:]), *scored]
        cells = {"Name": "Mask: white is missing", "Degraded": report.Picture(mask, href="restoration_mask.png")}
        masked = [] if mask is None else [[cells.get(header) for header in headers]]
        done = [part.records[place] for part, place in shares.places(parts)]
        shown = (part.row("shown", place, self.shown, np.uint8) for part, place in shares.places(parts))
        rows = itertools.chain(masked, (
            [each["name"], *map(report.Picture, pictures), *each["scores"]] for each, pictures in zip(done, shown)))
        summary = {"Task": self.options.task, "Model": Path(model).name, "Pictures": len(done),
                   "Codes": search.codes, "Composing layer": search.layer, "Iterations": search.steps,
                   "Optimizer": search.optimizer, "Learning rate": search.learning_rate,
                   "λ_vgg": search.feature_weight, "λ_dom": search.domain_weight}
        means = np.mean([each["scores"] for each in done], axis=0).tolist()
        summary.update({f"Mean {name}": mean for name, mean in zip(scored, means)})
        about = ["PSNR (dB) and SSIM are to the original. Plain: without a network, by interpolation at best."]
        report.write(self.folder / "restoration.html", "Restoration", headers, rows, summary=summary,
                     notes=(about if known else []) + notes, viz_size=viz_size)
