"""The training loop: steps of a model under any strategy, on either Keras, with Keras callbacks.

Keras 3's `fit` knows no strategy of several workers; where it does, this loop does the same.
"""
from __future__ import annotations

import tensorflow as tf


def run(model, batches, steps, callbacks):
    """Train `model`, which was made in the scope of its strategy, for a number of steps.

    Args:
        model: Keras model; `train_step(batch)` gives a dict of scalars that are equal on all replicas.
        batches: tf.data.Dataset of at least `steps` global batches, which the strategy splits.
        steps: how many.
        callbacks: Keras callbacks; called before and after the training and after every step.
    """
    strategy = model.distribute_strategy
    step = tf.function(lambda batch: strategy.run(model.train_step, args=(batch,)))
    for callback in callbacks:
        callback.set_model(model)
        callback.on_train_begin()
    batches = iter(strategy.experimental_distribute_dataset(batches))
    for number in range(steps):
        logs = {name: float(strategy.experimental_local_results(value)[0])
                for name, value in step(next(batches)).items()}
        for callback in callbacks:
            callback.on_train_batch_end(number, logs)
    for callback in callbacks:
        callback.on_train_end()
