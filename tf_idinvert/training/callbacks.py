"""Keras callbacks of all trainings: progress bar, log, TensorBoard, preview sheets, snapshots, stop on divergence.

The model must count its images in `model.images_seen` and list its variables in `model.state`. Put `StopAtNaN` before
`Snapshots`, so that a diverged step is detected before it is saved.
"""
from __future__ import annotations

import contextlib
import json
import math
import sys
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from tf_idinvert.errors import InputError, first_line
from tf_idinvert.files import atomic, images
from tf_idinvert.files.printing import say
from tf_idinvert.training import state

BOARD = "tensorboard"       # sub folder of the run's


class StopAtNaN(keras.callbacks.Callback):
    """Raise InputError at the first loss that is not finite; earlier snapshots stay."""

    def on_train_batch_end(self, batch, logs=None):
        for name, value in (logs or {}).items():
            if not math.isfinite(value):
                raise InputError(f"{name} is {value} after {seen(self.model)} images; the last snapshot is kept. Try a "
                                 "lower learning rate, a larger R1 weight, or larger batches")


class Progress(keras.callbacks.Callback):
    """Progress bar of the whole run on a terminal, with the remaining time and the current losses."""

    def __init__(self, total, file=None):
        """`file`: where to write the bar, whatever it is; None: the standard error output, if it is a terminal."""
        super().__init__()
        self.total, self.file, self.bar, self.first, self.begun = total, file, None, None, time.time()

    def on_train_begin(self, logs=None):
        if self.bar is None:
            self.first = seen(self.model)
            self.bar = tqdm(total=self.total, initial=self.first, unit="img", file=self.file, dynamic_ncols=True,
                            mininterval=1.0, smoothing=0.05, disable=None if self.file is None else False)

    def on_train_batch_end(self, batch, logs=None):
        self.bar.set_postfix({name: f"{value:.3f}" for name, value in (logs or {}).items()}, refresh=False)
        self.bar.update(seen(self.model) - self.bar.n)

    def close(self):
        if self.bar is not None:
            self.bar.close()

    def summary(self):
        """What was done, in one line."""
        if self.first is None or self.first >= self.total:
            return f"finished before, after {self.total} images; a larger --kimg trains on"
        return f"trained on {self.total - self.first} images in {time.time() - self.begun:.0f} s"


class Log(keras.callbacks.Callback):
    """Log the mean losses since the last entry every `interval` images, as JSON lines and as TensorBoard scalars.

    An entry has "images", "seconds" since the training started, "images_per_second", the losses, and the numbers of
    the dict that `measure()` returns.
    """

    def __init__(self, folder, interval=1000, measure=dict):
        super().__init__()
        self.path, self.interval, self.measure = Path(folder) / "log.jsonl", interval, measure
        with _on_full_disks(folder):
            self.writer = tf.summary.create_file_writer(str(Path(folder) / BOARD))
        self.begun = self.last = None
        self.sums, self.steps = {}, 0

    def on_train_begin(self, logs=None):
        if self.last is None:
            self.begun = time.time()
            self.last = seen(self.model), self.begun

    def on_train_batch_end(self, batch, logs=None):
        for name, value in (logs or {}).items():
            self.sums[name] = self.sums.get(name, 0.0) + float(value)
        self.steps += 1
        count, now = seen(self.model), time.time()
        if count - self.last[0] < self.interval:
            return
        entry = {"images_per_second": (count - self.last[0]) / max(now - self.last[1], 1e-9)}
        entry.update({name: total / self.steps for name, total in self.sums.items()})
        entry.update(self.measure())
        with atomic.naming(self.path), open(self.path, "a", encoding="utf-8") as file:
            rounded = {name: round(value, 5) for name, value in entry.items()}
            file.write(json.dumps({"images": count, "seconds": round(now - self.begun, 1), **rounded}) + "\n")
        self._to_tensorboard(entry, count)
        self.sums, self.steps, self.last = {}, 0, (count, now)

    def _to_tensorboard(self, entry, step):
        """Write a scalar as `tf.summary.scalar` does, but without the package TensorBoard, which is optional."""
        with _on_full_disks(self.path.parent), self.writer.as_default():
            for name, value in entry.items():
                tf.summary.write(name, np.float32(value), step=step,
                                 metadata=_metadata("scalars", "DATA_CLASS_SCALAR"))
            self.writer.flush()


class Snapshots(keras.callbacks.Callback):
    """Save the networks, a preview and the state of the run, at intervals and at the end.

    Files in `folder`, written atomically: `network.h5` and `preview.png` (the latest), `preview-KIMG.png`,
    `network-KIMG.h5` every `keep_kimg`, and last `state.npz`, from which a run resumes.
    """

    def __init__(self, folder, save_models, draw, seconds=300, every_kimg=None, keep_kimg=100, columns=None,
                 writer=None):
        """Create the callback.

        Args:
            folder: folder of the run.
            save_models: function (path) that writes the networks.
            draw: function () -> pictures of the preview, uint8 or float [N, R, R, 3].
            seconds: interval between snapshots; ignored with `every_kimg`.
            every_kimg: interval in thousands of images, for several workers, which must save at the same step.
            keep_kimg: interval in thousands of images of the files `network-KIMG.h5`.
            columns: columns of the preview; None: square.
            writer: `tf.summary` writer that also gets the preview; None: none.
        """
        super().__init__()
        self.folder, self.save_models, self.draw = Path(folder), save_models, draw
        self.seconds, self.every_kimg, self.keep_kimg = seconds, every_kimg, keep_kimg
        self.columns, self.writer = columns, writer
        self.saved_at, self.saved, self.before = time.time(), None, 0

    def on_train_begin(self, logs=None):
        self.before = seen(self.model)

    def on_train_batch_end(self, batch, logs=None):
        if self.every_kimg:
            length, count = self.every_kimg * 1000, seen(self.model)
            due, self.before = count // length > self.before // length, count
        else:
            due = time.time() - self.saved_at >= self.seconds
        if due:
            self.save()

    def on_train_end(self, logs=None):
        self.save()

    def save(self):
        """Save now, unless the run was already saved at this image."""
        count = seen(self.model)
        if count == self.saved:
            return
        for variable in self.model.state:
            if not np.all(np.isfinite(variable.numpy())):
                raise InputError(f"a weight is not finite after {count} images; the last snapshot is kept. Try a lower "
                                 "learning rate, a larger R1 weight, or larger batches")
        sheet, kimg = images.grid(self.draw(), columns=self.columns, gap=0), f"{count // 1000:06d}"
        images.save(self.folder / "preview.png", sheet)
        images.save(self.folder / f"preview-{kimg}.png", sheet)
        if self.writer:
            self._to_tensorboard(sheet, count)
        self.save_models(self.folder / "network.h5")
        if self.keep_kimg and count // 1000 // self.keep_kimg > (self.saved or count) // 1000 // self.keep_kimg:
            self.save_models(self.folder / f"network-{kimg}.h5")
        state.save(self.folder / "state.npz", self.model.state)
        self.saved_at, self.saved = time.time(), count
        if not sys.stderr.isatty():     # where there is no bar
            say(f"{count} images, snapshot -> {self.folder}", file=sys.stderr)

    def _to_tensorboard(self, sheet, step):
        """Write an image as `tf.summary.image` does, but without the package TensorBoard."""
        height, width, _ = sheet.shape
        with _on_full_disks(self.folder), self.writer.as_default():
            tf.summary.write("preview", tf.stack([str(width), str(height), tf.io.encode_png(sheet)]), step=step,
                             metadata=_metadata("images", "DATA_CLASS_BLOB_SEQUENCE"))
            self.writer.flush()


@contextlib.contextmanager
def _on_full_disks(folder):
    """InputError where TensorFlow cannot write its events to a folder's sub folder."""
    try:
        yield
    except tf.errors.OpError as error:
        why = first_line(error).rpartition("; ")[2]
        raise InputError(f"{Path(folder) / BOARD}: cannot be written: {why}") from error


def seen(model):
    """Return the number of images that the model has been trained on."""
    return int(model.images_seen.numpy())


def _metadata(plugin, data_class):
    """Return the metadata by which TensorBoard knows how to show a value."""
    plugin_data = tf.compat.v1.SummaryMetadata.PluginData(plugin_name=plugin)
    return tf.compat.v1.SummaryMetadata(plugin_data=plugin_data, data_class=data_class)
