"""The machine's rate of float32 matrix multiplication: what no convolution can be expected to exceed by much."""
from __future__ import annotations

import time

import tensorflow as tf


def rate(size=2048, seconds=2.0):
    """Floating-point operations a second of TensorFlow's float32 matrix product, on all cores or the GPU.

    Args:
        size: of the square matrices.
        seconds: how long to repeat the product; at least three times.
    Returns:
        float, 2 size^3 over the median time of a product.
    """
    a, b = tf.random.stateless_normal([2, size, size], [0, 0])
    product = tf.function(lambda a, b: tf.reduce_sum(tf.matmul(a, b)))     # one number: copying is not measured
    float(product(a, b))
    times, end = [], time.perf_counter() + seconds
    while len(times) < 3 or time.perf_counter() < end:
        start = time.perf_counter()
        float(product(a, b))
        times.append(time.perf_counter() - start)
    return 2 * size ** 3 / sorted(times)[len(times) // 2]


def share(gflop, seconds, rates):
    """Columns of a row: the highest of `rates` in GFLOP/s, and which share of it `gflop` in `seconds` are."""
    highest = max(rates) / 1e9
    return {"matmul GFLOP/s": highest, "of matmul rate": gflop / seconds / highest}
