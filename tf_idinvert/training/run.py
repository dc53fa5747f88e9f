"""Run: settings of a training that are no hyper-parameters: folder, length, snapshots, resuming, strategy, seed."""
from __future__ import annotations

import contextlib
import dataclasses
import os
import tempfile
from pathlib import Path

import tensorflow as tf

from tf_idinvert.files.printing import say
from tf_idinvert.files.workers import this_worker
from tf_idinvert.training import callbacks, record, state

SNAPSHOT_KIMG_OF_WORKERS = 10       # several workers must save at the same step, so they cannot use the clock


@dataclasses.dataclass(frozen=True)
class Run:
    """Settings of a training besides networks, data and recipe."""

    folder: Path                            # created if it does not exist
    kimg: float | None = None               # length in thousands of images; None: the recipe's
    snapshot_minutes: float = 5             # interval of snapshots in minutes
    snapshot_kimg: float | None = None      # interval in thousands of images, instead of the time
    resume: bool = True                     # continue a run in the folder; False: overwrite it
    strategy: tf.distribute.Strategy | None = None      # in whose scope the networks were created
    seed: int = 0                           # of the order of pictures and of random numbers, not of the weights
    options: dict = dataclasses.field(default_factory=dict)     # further options to store in options.json

    @property
    def placement(self):
        """The tf.distribute.Strategy; TensorFlow's default strategy if `strategy` is None."""
        return self.strategy or tf.distribute.get_strategy()

    def takes_up(self, asked):
        """Return whether to resume a run in the folder, and write the options to options.json.

        Args:
            asked: {name: value}, see `record.of_recipe`.
        Raises:
            InputError: the folder holds a run with other options.
        """
        Path(self.folder).mkdir(parents=True, exist_ok=True)
        resumes = record.resumes(self.folder, asked, self.resume)
        record.write(self.folder, {**self.options, **asked})
        return resumes

    def restore(self, model):
        """Load the variables of a model from the run's last snapshot."""
        state.load(Path(self.folder) / record.STATE, model.state)

    @contextlib.contextmanager
    def observers(self, total, save, draw, columns=None, measure=dict):
        """Return the callbacks of the run: stop on divergence, progress bar, log, snapshots.

        Args:
            total: length of the run in images.
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
            progress.close()
            if first:
                say(f"{progress.summary()} -> {Path(self.folder) / 'network.h5'}")


@contextlib.contextmanager
def folder_to_write(folder):
    """Context manager for the folder that this worker writes to.

    The first worker writes to `folder`. The others compute the same files and write them to a temporary folder.

    Yields:
        (Path, whether this is the first worker).
    """
    if this_worker().index == 0:
        yield Path(folder), True
        return
    with tempfile.TemporaryDirectory() as temporary:
        yield Path(temporary), False
