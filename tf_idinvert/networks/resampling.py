"""Resampling by FIR filters, as StyleGAN2 does it: by a factor of 2, alone or with a 3x3 convolution, channels last.

Source: Karras et al. 2020 (Analyzing and Improving the Image Quality of StyleGAN), section 2 and appendix B; paddings
and gains are those of the published code, in which filters are true convolutions (flipped where TensorFlow correlates).
A filter is the outer product of `taps` with itself, normalised to sum 1; None stands for (1, 1): nearest neighbour up,
mean of 2x2 down. With K taps and a kernel of side q, sizes are [N, H, W, C] -> 2H or H / 2:

    up, convolved:    transposed convolution of stride 2, then the filter with gain 4;  p = (K - 2) - (q - 1),
                      zero padding (p + 1) // 2 + 1 before and p // 2 + 1 behind
    down, convolved:  the filter, then a convolution of stride 2;  p = (K - 2) + (q - 1), (p + 1) // 2 and p // 2
"""
from __future__ import annotations

import numpy as np
import tensorflow as tf


def taps_of(resample_kernel):
    """The taps as a NumPy vector of sum 1; ValueError unless two or more numbers with a positive sum, or None."""
    taps = np.asarray((1, 1) if resample_kernel is None else resample_kernel, "float64")
    if taps.ndim != 1 or len(taps) < 2 or not taps.sum() > 0:
        raise ValueError(f"resample_kernel must be None or at least two numbers of a positive sum; "
                         f"got {resample_kernel!r}")
    return taps / taps.sum()


def upsample(x, taps):
    """`[N, H, W, C] -> [N, 2H, 2W, C]`: zeros between the pixels, then the filter with gain 4."""
    (n, h, w), count = tf.unstack(tf.shape(x)[:3]), len(taps)
    size = tf.stack([n, h * 2 + count - 2, w * 2 + count - 2, x.shape[-1]])
    full = tf.nn.depthwise_conv2d_backprop_input(size, _filter(taps, 4.0, x), x, [1, 2, 2, 1], "VALID")
    first = count - 1 - ((count - 1) // 2 + 1)
    y = full[:, first:first + h * 2, first:first + w * 2]
    sides = [None if side is None else side * 2 for side in x.shape[1:3]]
    return tf.ensure_shape(y, [None, *sides, x.shape[-1]])


def downsample(x, taps):
    """`[N, H, W, C] -> [N, H / 2, W / 2, C]`: the filter, then every second pixel."""
    p = len(taps) - 2
    return _filtered(x, taps, ((p + 1) // 2, p // 2), stride=2)


def upsample_convolve(x, weight, taps):
    """`[N, H, W, I] -> [N, 2H, 2W, O]`: transposed convolution with weight [q, q, I, O] flipped, then the filter."""
    (n, h, w), q = tf.unstack(tf.shape(x)[:3]), weight.shape[0]
    kernel = tf.transpose(weight[::-1, ::-1], [0, 1, 3, 2])
    size = [n, h * 2 + q - 2, w * 2 + q - 2, weight.shape[-1]]
    sides = [None if side is None else side * 2 + q - 2 for side in x.shape[1:3]]
    y = tf.ensure_shape(tf.nn.conv2d_transpose(x, kernel, size, 2, "VALID"), [None, *sides, weight.shape[-1]])
    p = (len(taps) - 2) - (q - 1)
    return _filtered(y, taps, ((p + 1) // 2 + 1, p // 2 + 1), gain=4.0)


def convolve_downsample(x, weight, taps):
    """`[N, H, W, I] -> [N, H / 2, W / 2, O]`: the filter, then a convolution of stride 2 with weight [q, q, I, O]."""
    p = (len(taps) - 2) + (weight.shape[0] - 1)
    return tf.nn.conv2d(_filtered(x, taps, ((p + 1) // 2, p // 2)), weight, 2, "VALID")


def _filtered(x, taps, pads, gain=1.0, stride=1):
    """One depthwise convolution: on a processor faster than one a direction, and than sums of shifted pictures."""
    before, behind = pads
    if before < 0 or behind < 0:        # few taps beside a wide kernel
        x = x[:, max(-before, 0):x.shape[1] - max(-behind, 0), max(-before, 0):x.shape[2] - max(-behind, 0)]
    pads = [max(before, 0), max(behind, 0)]
    x = tf.pad(x, [[0, 0], pads, pads, [0, 0]])
    return tf.nn.depthwise_conv2d(x, _filter(taps[::-1], gain, x), [1, stride, stride, 1], "VALID")


def _filter(taps, gain, x):
    """[K, K, C, 1], of x's channels and type."""
    kernel = np.outer(taps, taps)[:, :, None, None] * gain
    return tf.constant(np.tile(kernel, [1, 1, x.shape[-1], 1]), x.dtype)
