"""Run functions of a batch so that a picture's result has the same bits whatever else is in its batch.

The order in which a processor sums depends on the shapes (blocks, vector widths, threads), so the gradient of one
picture differs in its last bits between a batch of 1 and a batch of 4. An optimisation amplifies the difference: in
directions on which the loss hardly depends, L-BFGS makes it 10,000 times larger within 20 steps. Therefore the shapes
are kept constant:

- On a CPU, every picture is a batch of its own. As many pictures are computed in parallel as the machine has cores,
  which uses the cores about as well as one large batch.
- A GPU needs large batches, so a short batch is filled up to `batch_size` by repeating its last picture. A picture's
  result then depends on `batch_size`, but not on the other pictures, provided that the GPU's kernels are deterministic.

In the scope of a tf.distribute strategy with several replicas, each of them computes such a batch at the same time.
"""
from __future__ import annotations

import os

import numpy as np
import tensorflow as tf


def together(batch_size):
    """Return the number of pictures that are computed at once: a batch on every replica."""
    return batch_size * tf.distribute.get_strategy().num_replicas_in_sync


def batches(count, batch_size):
    """Yield (indices of the pictures computed at once, number of them without filling) for `count` pictures."""
    size, replicas = together(batch_size), together(1)
    for first in range(0, count, size):
        here = min(size, count - first)
        filled = size if on_gpu() else -(-here // replicas) * replicas      # replicas get equal shares
        yield np.arange(first, first + filled).clip(max=count - 1), here


def compiled(function):
    """Compile `function(rows, *shared)`; on a CPU the result calls it once per row, in parallel.

    Several replicas of the strategy in whose scope this is called get equal shares of the rows.

    AutoGraph is off, since reading our own code takes it seconds: a callable that branches on the values of tensors
    must be a tf.function.

    Args:
        function: callable. `rows` is a nest of tensors with the pictures along the first axis; `shared` are tensors
            that all pictures use. It returns a nest of tensors, again with the pictures along the first axis.
    """
    strategy = tf.distribute.get_strategy()
    replica = _on_one_device(function)
    if strategy.num_replicas_in_sync == 1:
        return replica

    @tf.function(autograph=False)
    def split(rows, *shared):
        shares = [tf.split(x, strategy.num_replicas_in_sync) for x in tf.nest.flatten(rows)]
        own = strategy.experimental_distribute_values_from_function(lambda context: tf.nest.pack_sequence_as(
            rows, [share[context.replica_id_in_sync_group] for share in shares]))
        return tf.nest.map_structure(lambda results: tf.concat(strategy.experimental_local_results(results), axis=0),
                                     strategy.run(replica, (own, *shared)))

    return split


def _on_one_device(function):
    one = tf.function(function, autograph=False)
    if on_gpu():
        return one

    @tf.function(autograph=False)
    def apart(rows, *shared):
        first = tf.nest.map_structure(lambda x: tf.TensorSpec([1, *x.shape[1:]], x.dtype), rows)
        results = one.get_concrete_function(first, *shared).structured_outputs
        return tf.map_fn(
            lambda row: tf.nest.map_structure(
                lambda x: x[0], one(tf.nest.map_structure(lambda x: x[None], row), *shared)),
            rows, parallel_iterations=os.cpu_count() or 1,
            fn_output_signature=tf.nest.map_structure(lambda x: tf.TensorSpec(x.shape[1:], x.dtype), results))

    def of_any_number(rows, *shared):      # traced once: the last batch may be a shorter one
        specs = tf.nest.map_structure(lambda x: tf.TensorSpec([None, *x.shape[1:]], x.dtype), rows)
        return apart.get_concrete_function(specs, *shared)(rows, *shared)

    return of_any_number


def on_gpu():
    """Return whether TensorFlow has a GPU."""
    return bool(tf.config.list_logical_devices("GPU"))
