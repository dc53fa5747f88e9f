"""Resampling of StyleGAN2: by a factor of 2 with an FIR filter, alone or with a 3x3 convolution, channels last.

Source: Karras et al. 2020 (Analyzing and Improving the Image Quality of StyleGAN), section 2 and appendix B; paddings
and gains are those of the published code. Filters are true convolutions, so they are flipped for TensorFlow, which
correlates. A filter is the outer product of `taps` with itself, normalised to sum 1; None stands for (1, 1), which
gives nearest-neighbour upsampling and 2x2 averaging. For K taps and a kernel of side q:


    up, convolved:    transposed convolution of stride 2, then the filter with gain 4;  p = (K - 2) - (q - 1),
                      zero padding (p + 1) // 2 + 1 before and p // 2 + 1 behind
    down, convolved:  the filter, then a convolution of stride 2;  p = (K - 2) + (q - 1), (p + 1) // 2 and p // 2
"""
from __future__ import annotations

import numpy as np
import tensorflow as tf


def taps_of(resample_kernel):
    """Return the taps as a NumPy vector of sum 1; ValueError unless None or at least two numbers of positive sum."""
    taps = np.asarray((1, 1) if resample_kernel is None else resample_kernel, "float64")
    if taps.ndim != 1 or len(taps) < 2 or not taps.sum() > 0:
        raise ValueError(f"resample_kernel must be None or at least two numbers of a positive sum; "
                         f"got {resample_kernel!r}")
    return taps / taps.sum()


def upsample(x, taps):
    """`[N, H, W, C] -> [N, 2H, 2W, C]`: insert zeros between the pixels, then apply the filter with gain 4."""
    (n, h, w), count = tf.unstack(tf.shape(x)[:3]), len(taps)
    size = tf.stack([n, h * 2 + count - 2, w * 2 + count - 2, x.shape[-1]])
    full = tf.nn.depthwise_conv2d_backprop_input(size, _filter(taps, 4.0, x), x, [1, 2, 2, 1], "VALID")
    first = count - 1 - ((count - 1) // 2 + 1)
    y = full[:, first:first + h * 2, first:first + w * 2]
    sides = [None if side is None else side * 2 for side in x.shape[1:3]]
    return tf.ensure_shape(y, [None, *sides, x.shape[-1]])


def downsample(x, taps):
    """`[N, H, W, C] -> [N, H / 2, W / 2, C]`: apply the filter, then keep every second pixel."""
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
    """Filter with one 2-D depthwise convolution; on a CPU, two 1-D ones or sums of shifted pictures are slower."""
    before, behind = pads
    if before < 0 or behind < 0:        # fewer taps than the kernel needs: crop instead of padding
        x = x[:, max(-before, 0):x.shape[1] - max(-behind, 0), max(-before, 0):x.shape[2] - max(-behind, 0)]
    pads = [max(before, 0), max(behind, 0)]
    x = tf.pad(x, [[0, 0], pads, pads, [0, 0]])
    return tf.nn.depthwise_conv2d(x, _filter(taps[::-1], gain, x), [1, stride, stride, 1], "VALID")


def _filter(taps, gain, x):
    """Return the filter [K, K, C, 1] for the channels and type of x."""
    kernel = np.outer(taps, taps)[:, :, None, None] * gain
    return tf.constant(np.tile(kernel, [1, 1, x.shape[-1], 1]), x.dtype)
