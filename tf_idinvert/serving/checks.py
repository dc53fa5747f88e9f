"""Checks of a served graph: a request that does not fit is answered with one line instead of a crash or a NaN.

Shapes are compared when the request runs: a server need not compare what it is sent with the shapes of a signature.
"""
from __future__ import annotations

import tensorflow as tf

MAX_ROWS = 256          # of one call
LARGEST_IMAGE = 2.0     # value of a picture: what a generator draws may be a little beyond 1
LARGEST = 1e6           # any other number: squares and products within the networks stay finite


def require(tensor, condition, *message):
    """`tensor`, once the scalar `condition` holds; else the request fails with `message`, strings and tensors."""
    with tf.control_dependencies([tf.debugging.Assert(condition, message)]):
        return tf.identity(tensor)


def rows(specs, tensors):
    """The inputs of a call, once they fit: shapes, 1 to MAX_ROWS rows, equally many of all, finite numbers in range.

    Args:
        specs: tf.TensorSpec of each input, [None, ...], with its name.
        tensors: as many tensors of those types.
    """
    counts, fitting = zip(*(_fitting(spec, tensor) for spec, tensor in zip(specs, tensors)))
    return [fitting[0]] + [
        require(tensor, tf.equal(count, counts[0]), f"{spec.name}: expected a row for each of {specs[0].name}; got",
                count, "for", counts[0]) for spec, tensor, count in zip(specs[1:], fitting[1:], counts[1:])]


def _fitting(spec, tensor):
    """(number of rows, the tensor once it fits)"""
    name, shape = spec.name, spec.shape.as_list()[1:]
    # The shape that the signature promises must not let the graph's optimiser drop the comparison.
    tensor = tf.compat.v1.placeholder_with_default(tensor, None)
    found, axes = tf.shape(tensor), len(shape) + 1
    sizes = tf.concat([found, tf.fill([axes], -1)], 0)[:axes]       # of as many axes, whatever came
    fits = tf.equal(tf.size(found), axes) & tf.reduce_all(tf.equal(sizes[1:], tf.constant(shape, tf.int32)))
    tensor = require(tensor, fits, f"{name}: expected [{', '.join(map(str, ['N', *shape]))}]; got", found)
    tensor = require(tensor, (0 < sizes[0]) & (sizes[0] <= MAX_ROWS),
                     f"{name}: expected 1 to {MAX_ROWS} rows; got", sizes[0])
    tensor = tf.ensure_shape(tensor, [None, *shape])
    if not tensor.dtype.is_floating:
        return sizes[0], tensor
    return sizes[0], bounded(name, finite(name, tensor), LARGEST_IMAGE if name == "images" else LARGEST)


def bounded(name, tensor, largest):
    """`tensor`, once no number is larger: of pictures on another scale, the range seen tells what is wrong."""
    expected = "[-1, 1]" if largest == LARGEST_IMAGE else f"-{largest:g} to {largest:g}"
    return require(tensor, tf.reduce_all(tf.abs(tensor) <= largest), f"{name}: expected values in {expected}; got",
                   tf.reduce_min(tensor), "to", tf.reduce_max(tensor))


def printable(strings):
    """Strings of a caller for a message: their beginnings, with '?' for what is no UTF-8 or a control character."""
    return tf.strings.unicode_transcode(tf.strings.substr(strings, 0, 100), "UTF-8", "UTF-8", errors="replace",
                                        replacement_char=ord("?"), replace_control_characters=True)


def finite(name, tensor):
    """`tensor`, once all its numbers are finite."""
    return require(tensor, tf.reduce_all(tf.math.is_finite(tensor)),
                   f"{name}: expected finite numbers; got NaN or infinity")


def within(name, tensor, lowest, highest):
    """`tensor` [N], once all its numbers are in `lowest` to `highest`."""
    inside = tf.reduce_all((tensor >= lowest) & (tensor <= highest))
    return require(tensor, inside, f"{name}: expected {lowest} to {highest}; got", tensor)
