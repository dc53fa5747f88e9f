"""The training loop: steps of a model under any tf.distribute strategy, with Keras 2 or 3 and Keras callbacks.

It replaces `fit`, which in Keras 3 does not support strategies with several workers.
"""
from __future__ import annotations

import re

import tensorflow as tf

from tf_idinvert.errors import InputError


def run(model, batches, steps, callbacks):
    """Train `model` for a number of steps.

    Args:
        model: Keras model, created in the scope of its strategy; `train_step(batch)` returns a dict of scalars that
            are equal on all replicas.
        batches: tf.data.Dataset of at least `steps` global batches, which the strategy splits.
        steps: number of steps.
        callbacks: Keras callbacks; they are called before and after the training and after every step.
    Raises:
        InputError: a picture cannot be read, or a callback raised it.
    """
    strategy = model.distribute_strategy
    step = tf.function(lambda batch: strategy.run(model.train_step, args=(batch,)), autograph=False)
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
    """Return the InputError that tf.data wrapped into `error` while it read pictures; None if there is none.

    Args:
        error: tf.errors.OpError.
    """
    found = re.findall(r"(?:InputError|ImageError): (.+)", str(error))
    return InputError(found[-1]) if found else None
