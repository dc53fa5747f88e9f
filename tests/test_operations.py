"""Operations counted from graphs, against counts by hand."""
import numpy as np
import pytest
import tensorflow as tf

from tf_idinvert.benchmarks import matmul, operations

IMAGE, KERNEL = tf.zeros([2, 8, 8, 3]), tf.zeros([5, 5, 3, 7])


def gradient(function):
    def of(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.reduce_sum(tf.square(function(x)))
        return tape.gradient(y, x)
    return of


@pytest.mark.parametrize("function, argument, expected", [
    (lambda x: tf.matmul(x, tf.zeros([3, 5])), tf.zeros([4, 3]), 2 * 4 * 3 * 5),
    (lambda x: tf.matmul(x, tf.zeros([4, 5]), transpose_a=True), tf.zeros([4, 3]), 2 * 3 * 4 * 5),
    (lambda x: tf.nn.conv2d(x, KERNEL, 2, "SAME"), IMAGE, 2 * (2 * 4 * 4 * 7) * 5 * 5 * 3),
    (gradient(lambda x: tf.nn.conv2d(x, KERNEL, 2, "SAME")), IMAGE, 2 * 2 * (2 * 4 * 4 * 7) * 5 * 5 * 3),
    (lambda x: tf.nn.conv2d_transpose(x, tf.zeros([4, 4, 6, 3]), [2, 16, 16, 6], 2), IMAGE,
     2 * (2 * 8 * 8 * 3) * 4 * 4 * 6),
    (lambda x: tf.nn.depthwise_conv2d(x, tf.zeros([3, 3, 3, 1]), [1, 1, 1, 1], "SAME"), IMAGE, 2 * 2 * 8 * 8 * 3 * 9),
    (lambda x: tf.function(lambda y: tf.matmul(y, tf.zeros([3, 5])))(x) + 1, tf.zeros([4, 3]), 2 * 4 * 3 * 5),
])
def test_counts(function, argument, expected):
    assert operations.count(function, argument) == expected


def test_rate_of_matrix_products():
    assert 1e7 < matmul.rate(size=64, seconds=0.01) < 1e16
    assert np.isfinite(matmul.rate(size=8, seconds=0))
