"""A run: where a training writes, how long it lasts, what it shows and keeps meanwhile, whether it goes on."""
from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import tempfile
from pathlib import Path

import tensorflow as tf

from tf_idinvert.training import callbacks, record, state

SNAPSHOT_KIMG_OF_WORKERS = 10       # several workers must save at the same step, which the clock does not give


@dataclasses.dataclass(frozen=True)
class Run:
    """All that a training needs but networks, data and recipe."""

    folder: Path                            # made where it is not there yet
    kimg: float | None = None               # length in thousands of images; None: the recipe's
    snapshot_minutes: float = 5
    snapshot_kimg: float | None = None      # snapshots by images instead of by time
    resume: bool = True                     # go on where a run in the folder stopped; False: overwrite it
    strategy: tf.distribute.Strategy | None = None      # in whose scope the networks were made; None: one device
    seed: int = 0                           # of the order of pictures and all numbers drawn, not of the networks
    options: dict = dataclasses.field(default_factory=dict)     # kept in options.json beside the recipe

    @property
    def placement(self):
        """The tf.distribute.Strategy, TensorFlow's default one where none is given."""
        return self.strategy or tf.distribute.get_strategy()

    def takes_up(self, asked):
        """Whether a run in the folder is taken up; keeps what is asked for in options.json.

        Args:
            asked: {name: value}, see `record.of_recipe`.
        Raises:
            InputError: there is a run, of other options.
        """
        Path(self.folder).mkdir(parents=True, exist_ok=True)
        resumes = record.resumes(self.folder, asked, self.resume)
        record.write(self.folder, {**self.options, **asked})
        return resumes

    def restore(self, model):
        """Give the variables of a model in training the values of the run's last snapshot."""
        state.load(Path(self.folder) / record.STATE, model.state)

    @contextlib.contextmanager
    def observers(self, total, save, draw, columns=None, measure=dict):
        """Callbacks of the run: a stop where it diverges, progress bar, log, snapshots.

        Args:
            total: images of the run.
            save, draw, columns: see `callbacks.Snapshots`.
            measure: see `callbacks.Log`.
        """
        several = isinstance(self.strategy, tf.distribute.MultiWorkerMirroredStrategy)
        every_kimg = self.snapshot_kimg or (SNAPSHOT_KIMG_OF_WORKERS if several else None)
        with contextlib.ExitStack() as stack:
            folder, first = stack.enter_context(folder_to_write(self.folder)) if several else (Path(self.folder), True)
            file = None if first else stack.enter_context(open(os.devnull, "w"))
            progress, log = callbacks.Progress(total, file), callbacks.Log(folder, measure=measure)
            stack.callback(progress.close)
            yield [callbacks.StopAtNaN(), progress, log,
                   callbacks.Snapshots(folder, save, draw, seconds=self.snapshot_minutes * 60, every_kimg=every_kimg,
                                       columns=columns, writer=log.writer)]


@contextlib.contextmanager
def folder_to_write(folder):
    """The folder for what this worker writes: the first one's is `folder`, the others', who do the same, are temporary.

    Yields:
        (Path, whether this is the first worker).
    """
    task = json.loads(os.environ.get("TF_CONFIG") or "{}").get("task", {})
    if task.get("type", "chief") == "chief" or (task["type"] == "worker" and int(task.get("index", 0)) == 0
                                                and "chief" not in _cluster()):
        yield Path(folder), True
        return
    with tempfile.TemporaryDirectory() as temporary:
        yield Path(temporary), False


def _cluster():
    return json.loads(os.environ["TF_CONFIG"]).get("cluster", {})
