"""The training loop: steps, callbacks and their order."""
from __future__ import annotations

import keras
import tensorflow as tf

from tf_idinvert.training import loop, steps


class Sum(keras.Model):
    """Adds up what it is given."""

    def __init__(self):
        super().__init__()
        self.total, self.images_seen = tf.Variable(0.0), steps.image_counter()
        self.built = True

    def train_step(self, batch):
        numbers, factor = batch
        self.total.assign_add(tf.reduce_sum(numbers) * factor)
        self.images_seen.assign_add(tf.cast(steps.global_batch(numbers), tf.int64))
        return {"total": self.total.read_value()}


class Witness(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.calls = []

    def on_train_begin(self, logs=None):
        self.calls.append(("begin", int(self.model.images_seen.numpy())))

    def on_train_batch_end(self, batch, logs=None):
        self.calls.append((batch, logs))

    def on_train_end(self, logs=None):
        self.calls.append(("end", int(self.model.images_seen.numpy())))


def test_steps_and_callbacks():
    batches = tf.data.Dataset.range(100).map(lambda i: (tf.fill([2], tf.cast(i, tf.float32)), 10.0)).repeat()
    witness = Witness()
    loop.run(Sum(), batches, 3, [witness])
    assert witness.calls == [("begin", 0), (0, {"total": 0.0}), (1, {"total": 20.0}), (2, {"total": 60.0}), ("end", 6)]
    witness = Witness()
    loop.run(Sum(), batches, 0, [witness])
    assert witness.calls == [("begin", 0), ("end", 0)]
