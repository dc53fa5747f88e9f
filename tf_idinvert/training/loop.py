"""The training loop: steps of a model under any strategy, on either Keras, with Keras callbacks.

Keras 3's `fit` knows no strategy of several workers; where it does, this loop does the same.
"""
from __future__ import annotations

import re

import tensorflow as tf

from tf_idinvert.errors import InputError


def run(model, batches, steps, callbacks):
    """Train `model`, which was made in the scope of its strategy, for a number of steps.

    Args:
        model: Keras model; `train_step(batch)` gives a dict of scalars that are equal on all replicas.
        batches: tf.data.Dataset of at least `steps` global batches, which the strategy splits.
        steps: how many.
        callbacks: Keras callbacks; called before and after the training and after every step.
    Raises:
        InputError: pictures that cannot be read, or what a callback raises.
    """
    strategy = model.distribute_strategy
    step = tf.function(lambda batch: strategy.run(model.train_step, args=(batch,)))
    for callback in callbacks:
        callback.set_model(model)
        callback.on_train_begin()
    batches = iter(strategy.experimental_distribute_dataset(batches))
    for number in range(steps):
        try:
            logs = {name: float(strategy.experimental_local_results(value)[0])
                    for name, value in step(next(batches)).items()}
        except tf.errors.InvalidArgumentError as error:
            raise reading_error(error) or error from error
        for callback in callbacks:
            callback.on_train_batch_end(number, logs)
    for callback in callbacks:
        callback.on_train_end()


def reading_error(error):
    """InputError with the one line of ours in what tf.data made of it while it read pictures; None if it was another.

    Args:
        error: tf.errors.OpError.
    """
    found = re.findall(r"(?:InputError|ImageError): (.+)", str(error))
    return InputError(found[-1]) if found else None
