"""Convolution, pooling and resizing in plain NumPy, [N, C, H, W] as in PyTorch, for comparison in tests."""
from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view


def windows(x, height, width, stride=1, pads=(0, 0), fill=0.0):
    """[N, C, H', W', height, width]"""
    x = np.pad(x, [(0, 0), (0, 0), (pads[0],) * 2, (pads[1],) * 2], constant_values=fill)
    return sliding_window_view(x, (height, width), axis=(2, 3))[:, :, ::stride, ::stride]


def convolve(x, kernel, stride=1, pads=(0, 0)):
    """kernel [out, in, h, w]"""
    return np.einsum("ncyxhw,ochw->noyx", windows(x, *kernel.shape[2:], stride, pads), kernel, optimize=True)


def largest(x, side, stride, pad=0):
    return windows(x, side, side, stride, (pad, pad), -np.inf).max(axis=(4, 5))


def mean_inside(x, side, pad):
    """Stride 1; of the pixels within the picture."""
    total, count = (windows(each, side, side, 1, (pad, pad)).sum(axis=(4, 5)) for each in (x, np.ones_like(x)))
    return total / count


def bilinear(x, side):
    """Between half-pixel centres, without antialiasing."""
    for axis in (2, 3):
        length = x.shape[axis]
        at = ((np.arange(side) + 0.5) * length / side - 0.5).clip(0, length - 1)
        low = np.floor(at).astype(int)
        share = np.expand_dims(at - low, tuple(range(1, x.ndim - axis)))
        high = np.minimum(low + 1, length - 1)
        x = np.take(x, low, axis) * (1 - share) + np.take(x, high, axis) * share
    return x
