"""Networks whose weights take half the bytes: stored as float16, read as float32, so that they are rounded once.

The statistics and parameters of batch normalisation, few numbers of a wide range, stay float32.
"""
from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from tf_idinvert.errors import InputError
from tf_idinvert.formats import weights


class HalfWeight:
    """Stands where a layer has a variable: a float16 variable of the same values, which reads as a float32 tensor."""

    def __init__(self, name, values):
        with np.errstate(over="ignore"):
            values = np.asarray(values).astype("float16")
        if not np.isfinite(values).all():
            raise InputError(f"weight {name!r} is too large for float16: beyond 65504")
        self.stored = tf.Variable(values, trainable=False, name=name)
        self.shape = self.stored.shape

    def __tf_tensor__(self, dtype=None, name=None):
        return tf.cast(self.stored, dtype or tf.float32, name=name)

    def __mul__(self, factor):
        return self.__tf_tensor__() * factor


def halved(network):
    """A copy of one of our networks, for inference, whose weights are stored as float16."""
    copy = weights.build(type(network), network.get_config(), weights.export_arrays(network))
    names = {id(variable): name for name, variable, _ in weights.table(copy)}
    for layer in copy._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            continue
        for attribute, value in list(vars(layer).items()):
            if id(value) in names:      # past Keras' own bookkeeping, which takes only variables of its own
                vars(layer)[attribute] = HalfWeight(names[id(value)], value)
    return copy
