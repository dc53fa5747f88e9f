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


def published_rates(iterations):
    """Rates of E and D in a TF1 graph of the published formula, [iterations, 2]: both updates advance one counter."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        counter = tf.compat.v1.train.create_global_step()
        rate = tf.compat.v1.train.exponential_decay(1e-4, counter, iterations // 4, 0.8)
        weights = [tf.compat.v1.get_variable(name, initializer=0.0) for name in ("e", "d")]
        updates = [tf.compat.v1.train.GradientDescentOptimizer(rate).apply_gradients([(tf.ones([]), w)], counter)
                   for w in weights]
        session.run(tf.compat.v1.global_variables_initializer())
        found = np.zeros([iterations, 2])
        for i in range(iterations):
            for j, (weight, update) in enumerate(zip(weights, updates)):        # the rate is how far the weight moves
                session.run(update)
                found[i, j] = -session.run(weight)
    return np.diff(found, axis=0, prepend=0)


def test_rates_are_those_of_the_published_graph():
    schedules = [steps.decaying_rate(total_images=1600, batch_size=16, place=place) for place in (0, 1)]
    found = [[float(schedule(i)) for schedule in schedules] for i in range(100)]
    np.testing.assert_allclose(found, published_rates(100), rtol=1e-3)
    assert [float(schedules[0](i)) for i in (0, 25, 50, 100)] == pytest.approx([1e-4, 6.4e-5, 4.096e-5, 1.678e-5], 1e-3)
    assert float(schedules[1](0)) == pytest.approx(1e-4 * 0.8 ** (1 / 25), rel=1e-6)


def test_rate_that_e_alone_advances_falls_by_a_fifth_each_quarter():
    schedule = steps.decaying_rate(total_images=8000, batch_size=10, updates=1)
    found = [float(schedule(step)) for step in (0, 100, 200, 400, 800)]
    assert found == pytest.approx([1e-4, 0.8 ** 0.5 * 1e-4, 0.8e-4, 0.64e-4, 0.4096e-4], rel=1e-5)


def test_optimiser_follows_the_schedule():
    """The first step of Adam is the rate itself, whatever the gradient."""
    variable = tf.Variable([0.0])
    optimizer = steps.adam(steps.decaying_rate(total_images=80, batch_size=10, learning_rate=0.5))
    optimizer.build([variable])
    optimizer.iterations.assign(1)      # an eighth of the training; moments of none
    steps.apply(optimizer, [tf.constant([3.0])], [variable])
    bias = (1 - 0.9) / (1 - 0.9 ** 2) / np.sqrt((1 - 0.99) / (1 - 0.99 ** 2))
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
