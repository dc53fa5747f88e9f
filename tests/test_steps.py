"""What encoder trainings share: the published optimiser and schedule, means over the global batch."""
from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_idinvert.training import steps


def test_adam_as_published():
    config = steps.adam().get_config()
    found = [float(config[name]) for name in ("learning_rate", "beta_1", "beta_2", "epsilon")]
    assert found == pytest.approx([1e-4, 0.9, 0.99, 1e-8])


@pytest.mark.parametrize("share, factor", [(0, 1), (1 / 8, 0.8 ** 0.5), (1 / 4, 0.8), (1 / 2, 0.64), (1, 0.4096)])
def test_rate_falls_smoothly_by_a_fifth_each_quarter(share, factor):
    schedule = steps.decaying_rate(total_images=8000, batch_size=10)
    assert float(schedule(int(share * 800))) == pytest.approx(1e-4 * factor, rel=1e-5)


def test_optimiser_follows_the_schedule():
    """The first step of Adam is the rate itself, whatever the gradient."""
    variable = tf.Variable([0.0])
    optimizer = steps.adam(steps.decaying_rate(total_images=80, batch_size=10, learning_rate=0.5))
    optimizer.build([variable])
    optimizer.iterations.assign(2)      # a quarter of the training; moments of none
    steps.apply(optimizer, [tf.constant([3.0])], [variable])
    bias = (1 - 0.9) / (1 - 0.9 ** 3) / np.sqrt((1 - 0.99) / (1 - 0.99 ** 3))
    assert float(variable.numpy()[0]) == pytest.approx(-0.5 * 0.8 * bias, rel=1e-4)


def test_weights_not_in_use_rest():
    variables = [tf.Variable([1.0]), tf.Variable([2.0])]
    optimizer = keras.optimizers.SGD(0.5)
    optimizer.build(variables)
    steps.apply(optimizer, [None, tf.constant([1.0])], variables)
    assert [float(v.numpy()[0]) for v in variables] == [1.0, 1.5]


def test_means():
    means = steps.global_means({"a": tf.constant([1.0, 3.0]), "b": tf.constant([[4.0], [0.0]])}, steps.global_batch(
        tf.zeros([2, 4, 4, 3])))
    assert {name: float(value) for name, value in means.items()} == {"a": 2.0, "b": 2.0}
