"""apart: batches over the replicas of a strategy; tests share a process of four devices.

`test_replicas` does the same with whole tools.
"""
from __future__ import annotations

import json

import encoder_training as common
import numpy as np
import pytest
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
    """Print {number of devices: results of seven rows in batches of two}."""
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 4)
    found = {1: results(7, 2)}
    for count in 2, 4:
        with tf.distribute.MirroredStrategy([f"CPU:{i}" for i in range(count)]).scope():
            found[count] = results(7, 2)
    print(json.dumps(found))


@pytest.fixture(scope="module")
def found():
    output, errors = common.start("import test_apart; test_apart.replicas()").communicate(timeout=300)
    assert output, errors[-3000:]
    return json.loads(output)


@pytest.mark.parametrize("count, sizes", [("1", [2, 2, 2, 1]), ("2", [4, 4]), ("4", [8])])
def test_replicas_compute_what_one_device_does_in_the_same_order(found, count, sizes):
    assert found[count] == [found["1"][0], sizes]


def test_one_device_fills_nothing_up_on_a_cpu():
    assert [(rows.tolist(), here) for rows, here in apart.batches(3, 2)] == [([0, 1], 2), ([2], 1)]
    assert apart.together(3) == 3
