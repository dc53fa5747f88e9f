"""Restore degraded pictures, or intact ones that are degraded first; write pictures, codes and a page to a folder.

`restoration.multi_code` does the search. If a run ends early, the finished pictures are kept.
"""
from __future__ import annotations

import dataclasses
import itertools
import time
from pathlib import Path

import numpy as np

from tf_idinvert.alignment import record
from tf_idinvert.files import arrays, images, report, results
from tf_idinvert.files.spool import Spool
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
    """

    def __init__(self, models, search, options, *, viz_size, log, record, notes=()):
        self.models, self.search, self.options, self.viz_size = models, search, options, viz_size
        self.log, self.record, self.notes = log, record, [note for note in notes if note]

    def __call__(self, listing, folder):
        """Restore a listing of (name, path) into an existing folder; return the number of restored pictures.

        Unreadable pictures are reported and skipped.
        """
        run = _Folder(Path(folder), self.options, self.search.options, self.models.generator.resolution, self.notes)
        started = time.time()
        to_the_end(lambda: self._restore_all(listing, run), lambda: self._finish(run, listing, started))
        return len(run.done)

    def _restore_all(self, listing, run):
        def restore(first, batch, advance):
            loaded = list(self._loaded(first, batch, run.notes))
            if loaded:
                self._restore_batch(run, loaded, advance)

        in_batches(listing, self.search.options.batch_size, self.search.options.steps, self.options.task, self.log,
                   restore)

    def _loaded(self, first, listing, notes):
        """Yield a `_Given` for every readable picture."""
        options, degrade, side = self.options, self.search.degrade, self.models.generator.resolution
        small = options.takes_small()
        for i, name, path, picture in readable(listing, side // options.factor if small else side, self.log, notes):
            given = picture[None]
            if options.task == "denoise" and options.degrade:
                given = degradations.add_noise(given, options.noise, options.seed, first + i)
            seen = given if small else np.asarray(degrade(given))
            yield _Given(name, path, picture, (given if options.task == "denoise" else seen)[0], seen[0])

    def _restore_batch(self, run, batch, advance):
        degrade = self.search.degrade
        observed = np.stack([each.observed for each in batch])
        plain = np.asarray(degrade.plain(observed), "float32")
        start = tasks.start_codes(self.models.generator, self.models.encoder, plain, self.search.options.codes,
                                  self.options.seed)
        result = self.search(observed, start, progress=advance)
        made = {"plain": plain, "restored": np.clip(result.images, -1, 1)}
        if "composite" in self.options.kinds():
            made["composite"] = np.clip(degrade.composite(made["restored"], observed), -1, 1)
        run.add(batch, made, result)

    def _finish(self, run, listing, started):
        seconds = time.time() - started
        if run.done:
            for name, values in zip(("codes", "shared_codes", "alphas"), zip(*(each.found for each in run.done))):
                arrays.write(run.folder / f"{name}.npy", np.stack(values))
            results.write_options(run.folder / "options.json", {
                "options": dataclasses.asdict(self.search.options), "seconds": round(seconds, 1), **self.record,
                "pictures": {each.name: each.path for each in run.done}})
            kind = "com" if "composite" in self.options.kinds() else "res"
            record.carry({each.name: each.path for each in run.done}, run.folder,
                         lambda face: [record.Edit(f"{face.name}_{kind}.png", face.name, "restored")])
            run.write_page(self.record.get("model", ""), self.viz_size, self._write_mask(run.folder))
        self.log.info("%d of %d pictures restored in %.1f s -> %s", len(run.done), len(listing), seconds,
                      run.folder / "restoration.html" if run.done else run.folder)

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


@dataclasses.dataclass(frozen=True)
class _Done:
    """A picture whose files are written: data for codes.npy and the page."""

    name: str
    path: str
    shown: int          # index of its pictures in the spool
    found: tuple        # codes, shared codes, alphas
    scores: list        # empty if the original is not known


class _Folder:
    """A folder of results that is being written; a picture counts as soon as its record is in `done`."""

    def __init__(self, folder, options, search, side, notes):
        self.folder, self.options, self.search, self.side, self.notes = folder, options, search, side, list(notes)
        self.steps = search.result_steps()[:-1]         # the last is the result
        self.done = []
        self.spool = Spool([options.has_original() + 1 + len(self.steps) + len(options.kinds()), side, side, 3])

    def add(self, batch, made, result):
        """Add a batch: a list of `_Given`, {kind: result pictures}, and the MultiCodeResult."""
        scores = [[]] * len(batch)
        if self.options.has_original():
            originals = np.stack([each.original for each in batch])
            found = [tasks.scores(made[kind], originals) for kind in self.options.kinds()]
            scores = [[each[score][i] for score in ("psnr", "ssim") for each in found] for i in range(len(batch))]
        for i, given in enumerate(batch):
            shown = self._save(given, {kind: pictures[i] for kind, pictures in made.items()},
                               [result.intermediate[step][i] for step in self.steps])
            self.done.append(_Done(given.name, given.path, shown, (result.codes[i], result.shared[i],
                                                                   result.alphas[i]), scores[i]))

    def _save(self, given, made, steps):
        """Write the files of one picture; return the index in the spool of its pictures for the page."""
        known = self.options.has_original()
        files = {"deg": given.degraded, "res": made["restored"], "com": made.get("composite"),
                 "ori": given.original if known else None}
        for suffix, picture in files.items():
            if picture is not None:
                images.save(self.folder / f"{given.name}_{suffix}.png", picture)
        times = self.side // len(given.degraded)
        enlarged = given.degraded.repeat(times, axis=0).repeat(times, axis=1)
        shown = [given.original] * known + [enlarged, made["plain"], *steps, *list(made.values())[1:]]
        return self.spool.append(images.to_uint8(np.stack(shown)))

    def write_page(self, model, viz_size, mask=None):
        kinds, known, search = self.options.kinds(), self.options.has_original(), self.search
        scored = [f"{score} {kind}" for score in ("PSNR", "SSIM") for kind in kinds] if known else []
        headers = ["Name", *["Original"] * known, "Degraded", "Without a network",
                   *(f"Step {step:06d}" for step in self.steps), *(kind.title() for kind in kinds[1:]), *scored]
        cells = {"Name": "Mask: white is missing", "Degraded": report.Picture(mask, href="restoration_mask.png")}
        masked = [] if mask is None else [[cells.get(header) for header in headers]]
        rows = itertools.chain(masked, (
            [each.name, *map(report.Picture, self.spool[each.shown]), *each.scores] for each in self.done))
        summary = {"Task": self.options.task, "Model": Path(model).name, "Pictures": len(self.done),
                   "Codes": search.codes, "Composing layer": search.layer, "Iterations": search.steps,
                   "Optimizer": search.optimizer, "Learning rate": search.learning_rate,
                   "λ_vgg": search.feature_weight, "λ_dom": search.domain_weight}
        means = np.mean([each.scores for each in self.done], axis=0).tolist()
        summary.update({f"Mean {name}": mean for name, mean in zip(scored, means)})
        notes = ["PSNR (dB) and SSIM are to the original. Plain: without a network, by interpolation at best."]
        report.write(self.folder / "restoration.html", "Restoration", headers, rows, summary=summary,
                     notes=(notes if known else []) + self.notes, viz_size=viz_size)
