"""The machine's rate of float32 matrix multiplication, a practical upper limit for the rate of convolutions."""
from __future__ import annotations

import time

import tensorflow as tf


def rate(size=2048, seconds=2.0):
    """Return the floating-point operations per second of TensorFlow's float32 matrix product, on all cores or the GPU.

    Args:
        size: side of the square matrices.
        seconds: time to repeat the product for, at least three times.
    Returns:
        float, 2 size^3 over the median time of a product.
    """
    a, b = tf.random.stateless_normal([2, size, size], [0, 0])
    product = tf.function(lambda a, b: tf.reduce_sum(tf.matmul(a, b)))     # one number, so nothing is copied
    float(product(a, b))
    times, end = [], time.perf_counter() + seconds
    while len(times) < 3 or time.perf_counter() < end:
        start = time.perf_counter()
        float(product(a, b))
        times.append(time.perf_counter() - start)
    return 2 * size ** 3 / sorted(times)[len(times) // 2]


def share(gflop, seconds, rates):
    """Return columns of a row: the highest of `rates` in GFLOP/s, and `gflop` / `seconds` relative to it."""
    highest = max(rates) / 1e9
    return {"matmul GFLOP/s": highest, "of matmul rate": gflop / seconds / highest}
