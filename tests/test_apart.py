"""apart: batches over the replicas of a strategy. `test_replicas` runs it, and whole tools, on several devices."""
from __future__ import annotations

import json

import numpy as np
import tensorflow as tf

from tf_idinvert import apart


def results(count, batch_size):
    """x W for `count` rows of a batch size, in the scope of this strategy: [the result, the devices' sizes of batches].
    """
    weights = tf.Variable(np.random.default_rng(0).standard_normal((5, 4)), dtype=tf.float32)
    x = np.random.default_rng(1).standard_normal((count, 5)).astype("float32")
    function = apart.compiled(lambda rows, scale: (tf.matmul(rows["x"], weights) * scale, rows["x"][:, :1]))
    parts, sizes = [], []
    for rows, here in apart.batches(count, batch_size):
        product, first = function({"x": tf.constant(x[rows])}, tf.constant(2.0))
        parts.append(np.concatenate([product, first], axis=1)[:here])
        sizes.append(len(rows))
    return np.concatenate(parts).tolist(), sizes


def replicas():
    """Print {number of devices: results of seven rows in batches of two}, in a process of four devices."""
    found = {1: results(7, 2)}
    for count in 2, 4:
        with tf.distribute.MirroredStrategy([f"CPU:{i}" for i in range(count)]).scope():
            found[count] = results(7, 2)
    print(json.dumps(found))


def test_one_device_fills_nothing_up_on_a_cpu():
    assert [(rows.tolist(), here) for rows, here in apart.batches(3, 2)] == [([0, 1], 2), ([2], 1)]
    assert apart.together(3) == 3
