"""Networks that compute in bfloat16: --precision mixed. Weights, and all that is not such a network, stay float32."""
from __future__ import annotations

import contextlib

import keras
import tensorflow as tf

from tf_idinvert.errors import InputError
from tf_idinvert.formats import weights


def check(precision):
    """InputError if `precision` is 'mixed' and TensorFlow does not convolve in bfloat16 here."""
    if precision == "mixed" and not convolves_in_bfloat16():
        raise InputError("--precision mixed: TensorFlow has no convolution in bfloat16 on this processor; "
                         "give --precision float32")


@contextlib.contextmanager
def policy(precision):
    """Set Keras' dtype policy for networks created in the with statement: that of 'float32' or 'mixed'.

    bfloat16 has the range of float32, so losses need no scaling.
    """
    keras.mixed_precision.set_global_policy("mixed_bfloat16" if precision == "mixed" else "float32")
    try:
        yield
    finally:
        keras.mixed_precision.set_global_policy("float32")


def convolves_in_bfloat16():
    """Return whether TensorFlow convolves in bfloat16 here; limited to older instructions, oneDNN does not."""
    try:
        tf.nn.conv2d(tf.zeros([1, 4, 4, 8], tf.bfloat16), tf.zeros([3, 3, 8, 8], tf.bfloat16), 1, "SAME")
    except tf.errors.OpError:
        return False
    return True


def again(network):
    """Return a copy of a network, under the present policy."""
    return weights.build(type(network), network.get_config(), weights.export_arrays(network))


def in_float32(network):
    """Return a function that returns what `network` does, in float32; a feature network keeps its weight."""
    def call(images):
        return tf.cast(network(images), tf.float32)

    if hasattr(network, "weight"):
        call.weight = network.weight
    return call
