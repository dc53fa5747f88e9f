"""From inverted pictures to generators tuned to them: files of tuned weights, pictures and a page.

The method is in `tuning`. A run that was stopped goes on: what is finished is left alone, what was under way is taken
up at the last state written, with the same result.
"""
from __future__ import annotations

import dataclasses
import time
from pathlib import Path

import numpy as np

from tf_idinvert.codes import mean_code, random_codes
from tf_idinvert.errors import InputError
from tf_idinvert.files import arrays, digests, images, report, results
from tf_idinvert.jobs.batches import in_batches, to_the_end

TOGETHER = "together"       # name of the generator of all pictures
SAVED_EVERY = 50            # steps from one state on the disk to the next
PSI = 0.5                   # truncation of the random codes of the locality term, as published
SAMPLES = 1000              # of W, to measure its deviation


def neighbours(generator, seed):
    """What the locality term needs of a generator: (callable (first, count) -> w_z [count, L, D], deviation of W)."""
    mean = mean_code(generator)
    away = random_codes(generator, 0, 0, SAMPLES) - mean
    deviation = float(np.sqrt(np.mean(np.sum(np.square(away), axis=2))))
    return lambda first, count: mean + PSI * (random_codes(generator, seed, first, count) - mean), deviation


class Tuner:
    """Tunes generators to the pictures of a folder of inversion; compiled once for all folders.

    Args:
        tuning: `tuning.PivotalTuning`.
        weights: `tunable.Tunable` of its copy, `tuning.tuned`.
        known: callable, path -> record of a file of tuned weights, or None where there is none that can be read.
        together: one generator for all pictures; else one for each.
        viz_size: see `report.write`.
        log: logging.Logger.
        record: dict that goes into tuning.json: 'model', 'arguments' and the like.
        notes: for the page.
    """

    def __init__(self, tuning, weights, known, *, together, viz_size, log, record, notes=()):
        self.tuning, self.weights, self.known, self.together, self.viz_size = tuning, weights, known, together, viz_size
        self.log, self.record, self.notes = log, record, [note for note in notes if note]

    def __call__(self, found, folder):
        """Tune to `found`, Results, into a folder, made where it is not there -> {name of a generator: its record}."""
        folder, done, started = Path(folder), {}, time.time()
        folder.mkdir(parents=True, exist_ok=True)
        missing = [name for i, name in enumerate(found.names) if found.picture(i, "ori") is None]
        if missing:
            raise InputError(f"{found.folder}: holds no {missing[0]}_ori.png, to which a generator could be tuned")
        count = len(found.names)
        sets = {TOGETHER: list(range(count))} if self.together else {found.names[i]: [i] for i in range(count)}

        def tune(batch, advance):
            (name, rows), = batch
            done[name] = self._tune(found, rows, folder, name, advance)

        to_the_end(
            lambda: in_batches(list(sets.items()), 1, self.tuning.options.steps, "tuning", self.log, tune),
            lambda: self._finish(found, folder, done))
        self.log.info("%d generators tuned to %d pictures in %.1f s -> %s", len(done),
                      sum(len(each["pictures"]) for each in done.values()), time.time() - started,
                      folder / "tuning.html")
        return done

    def _tune(self, found, rows, folder, name, advance):
        """Tune one generator, or leave alone what is finished -> its record."""
        tuning, path = self.tuning, folder / f"{name}.h5"
        size = self.tuning.tuned.resolution
        pictures = np.stack([images.load(found.picture(i, "ori"), size)[0] for i in rows])
        tuning.begin(pictures, found.codes[rows])
        key = digests.digest([dataclasses.asdict(tuning.options), self.weights.digest,
                              *(digests.array_digest(np.asarray(each)) for each in tuning.pictures)])
        record = self.known(path)
        names = [found.names[i] for i in rows]
        if record is not None and record.get("key") == key and all(_tuned(folder, each).is_file() for each in names):
            return record
        state, seconds = folder / f".{name}-{key}.npy", time.time()
        if state.exists() and tuning.restore(arrays.read(state)):
            self.log.info("%s: goes on after step %d", name, len(tuning.losses))
        before = measured(tuning.original, pictures, found.codes[rows], tuning.options.batch_size)[1]
        while not tuning.done():
            tuning.advance(SAVED_EVERY)
            arrays.write(state, tuning.state())
            advance(len(tuning.losses) / tuning.options.steps, float(tuning.losses[-1, -1]))
        differences = self.weights.differences()
        self.weights.put(differences)       # what is drawn and measured is what the file gives
        drawn, after = measured(tuning.tuned, pictures, found.codes[rows], tuning.options.batch_size)
        for each, picture in zip(names, drawn):
            images.save(_tuned(folder, each), picture)
        record = {"key": key, "pictures": names, "mse_before": before, "mse_after": after,
                  "steps": len(tuning.losses), "seconds": round(time.time() - seconds, 1),
                  "options": dataclasses.asdict(tuning.options), "model": self.record.get("model", "")}
        self.weights.write(path, differences, record)
        for old in folder.glob(f".{name}-*.npy"):
            old.unlink()
        return record

    def _finish(self, found, folder, done):
        if not done:
            return
        results.write_options(folder / "tuning.json", {**self.record, "generators": done})
        places = {name: i for i, name in enumerate(found.names)}
        options, megabytes = self.tuning.options, {name: (folder / f"{name}.h5").stat().st_size / 1e6 for name in done}

        def rows():
            for generator, record in done.items():
                for name, *mse in zip(record["pictures"], record["mse_before"], record["mse_after"]):
                    shown = (found.picture(places[name], "ori"), found.picture(places[name], "inv"),
                             _tuned(folder, name))
                    yield [name, *(path and report.Picture(images.read(path)) for path in shown), *mse,
                           record["steps"], record["seconds"], megabytes[generator]]

        mean = {when: float(np.mean([value for each in done.values() for value in each[f"mse_{when}"]]))
                for when in ("before", "after")}
        report.write(
            folder / "tuning.html", "Pivotal tuning",
            ["Name", "Original", "Before", "After", "MSE before", "MSE after", "Steps", "Seconds", "MB"], rows(),
            summary={"Model": Path(self.record.get("model", "")).name, "Generators": len(done),
                     "Pictures": sum(len(each["pictures"]) for each in done.values()), "Steps, at most": options.steps,
                     "Learning rate": options.learning_rate, "λ_vgg": options.feature_weight,
                     "λ_R": options.locality_weight, "Mean MSE before": mean["before"],
                     "Mean MSE after": mean["after"]},
            notes=["MSE: mean of squared differences to the original, values in [-1, 1]. MB: the file of the tuned "
                   "weights, NAME.h5, for --tuned.", *self.notes], viz_size=self.viz_size)


def measured(synthesis, pictures, codes, size):
    """(pictures drawn [N, R, R, C] in [-1, 1], mean of squared differences of each), `size` drawn together."""
    drawn = np.concatenate([np.clip(synthesis(codes[i:i + size]), -1, 1) for i in range(0, len(codes), size)])
    return drawn, np.mean(np.square(drawn - pictures), axis=(1, 2, 3)).tolist()


def _tuned(folder, name):
    return folder / f"{name}_tun.png"
