"""Functions of a batch that give each picture the same result, bit by bit, whatever else is in its batch.

A processor sums in an order that depends on shapes (blocks, vector widths, threads), so that one picture's gradient
differs in its last bits between batches of 1 and of 4. An optimisation amplifies that: in directions that the loss
hardly depends on, codes of L-BFGS are 10,000 times further apart after 20 steps. So the shapes must never differ:

- on a CPU each picture is a batch of its own; as many are computed at the same time as there are cores, which
  uses these about as well as one large batch does;
- on a GPU, which needs large batches, every batch is filled up to `batch_size`. There a picture's result depends on
  `batch_size`, but still not on the other pictures, as far as the GPU's own functions repeat themselves.
"""
from __future__ import annotations

import os

import numpy as np
import tensorflow as tf


def batches(count, batch_size):
    """Yield (rows of a batch: indices below `count`, how many of them are not filling)."""
    for first in range(0, count, batch_size):
        rows = np.arange(first, first + batch_size)
        yield (rows.clip(max=count - 1) if on_gpu() else rows[rows < count]), min(batch_size, count - first)


def compiled(function):
    """The tf.function of `function(rows, *shared)`, apart for each row.

    Args:
        function: callable; `rows` is a nest of tensors whose first axis counts pictures, `shared` are tensors; it
            returns a nest like `rows`.
    """
    if on_gpu():
        return tf.function(function)
    one = tf.function(function)

    @tf.function(reduce_retracing=True)
    def apart(rows, *shared):
        first = tf.nest.map_structure(lambda x: tf.TensorSpec([1, *x.shape[1:]], x.dtype), rows)
        results = one.get_concrete_function(first, *shared).structured_outputs
        return tf.map_fn(
            lambda row: tf.nest.map_structure(
                lambda x: x[0], one(tf.nest.map_structure(lambda x: x[None], row), *shared)),
            rows, parallel_iterations=os.cpu_count() or 1,
            fn_output_signature=tf.nest.map_structure(lambda x: tf.TensorSpec(x.shape[1:], x.dtype), results))

    return apart


def on_gpu():
    """Whether TensorFlow computes on a GPU here."""
    return bool(tf.config.list_logical_devices("GPU"))
