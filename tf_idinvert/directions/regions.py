"""ReSeFa: directions that change a region of the picture and leave the rest as it is.

    max over n of  n^T J_f^T J_f n / n^T J_b^T J_b n

J is the Jacobian of the picture's pixels by w at some codes, J_f its rows within the region, J_b all others; solved as
a generalised eigenproblem, with tau tr(M_b) I added to the lower matrix M_b, as the published code does (tau 1e-3).
Source: Zhu et al. 2022 (Region-Based Semantic Factorization in GANs), and its published code.
"""
from __future__ import annotations

import numpy as np
import scipy.linalg
import tensorflow as tf

from tf_idinvert.directions.sefa import signed
from tf_idinvert.errors import InputError

TAU = 1e-3
SIDE = 256          # larger pictures are averaged to this side first, as published
TOGETHER = 32       # columns of the Jacobian that are computed at once


def jacobian(synthesis, code, layers, progress=lambda share: None):
    """Jacobian of the picture, colours averaged, by one w in all chosen layers.

    Args:
        synthesis: callable, codes [N, L, D] -> pictures [N, R, R, C].
        code: float32 [L, D].
        layers: indices of the layers in which w moves.
        progress: callable, told the share of the columns that are done.
    Returns:
        float32 [h * h, D], h = min(R, 256).
    """
    chosen = np.zeros([len(code), 1], np.float32)
    chosen[list(layers)] = 1

    @tf.function(autograph=False)
    def columns(w, tangents):
        """J t for every t: by forward differentiation as two backward passes, which every operation supports."""
        with tf.GradientTape() as outer:
            with tf.GradientTape() as inner:
                inner.watch(w)
                pictures = _grey(synthesis(w))
                dummy = tf.zeros_like(pictures)
                outer.watch(dummy)
                weighted = tf.reduce_sum(pictures * dummy)
            back = inner.gradient(weighted, w)
            along = tf.reduce_sum(back * tangents)
        return outer.gradient(along, dummy)

    width, found = code.shape[1], []
    for first in range(0, width, TOGETHER):
        ones = np.eye(width, dtype=np.float32)[first:first + TOGETHER]
        w = np.repeat(code[None], len(ones), axis=0).astype(np.float32)
        moved = columns(tf.constant(w), tf.constant(ones[:, None, :] * chosen)).numpy()
        found.append(moved.reshape(len(ones), -1))
        progress(min(first + TOGETHER, width) / width)
    return np.concatenate(found).T


def _grey(pictures):
    """[N, R, R, C] -> [N, h, h]: mean of the colours, averaged to a side of at most SIDE."""
    grey = tf.reduce_mean(pictures, axis=-1, keepdims=True)
    factor = max(pictures.shape[1] // SIDE, 1)
    return (tf.nn.avg_pool2d(grey, factor, factor, "VALID") if factor > 1 else grey)[..., 0]


def solve(jacobians, inside, count, tau=TAU):
    """Directions that change the pixels inside most, in parts of the change outside.

    Args:
        jacobians: iterable of arrays [P, D], of one or a few codes; read once.
        inside: bool [P], the region.
        count: how many directions, at most D.
        tau: weight of the identity, in parts of the trace.
    Returns:
        (float64 [count, D], of length 1, each with its largest component positive; the quotients, falling).
    Raises:
        InputError: a region that is empty or the whole picture, or does not depend on w; a count outside 1..D.
    """
    inside = np.asarray(inside, bool).ravel()
    if not inside.any() or inside.all():
        raise InputError(f"the region holds {inside.sum()} of {inside.size} pixels, expected some and not all")
    within, outside = 0.0, 0.0
    for matrix in jacobians:
        matrix = np.asarray(matrix, np.float64)
        if len(matrix) != len(inside):
            raise InputError(f"a region of {len(inside)} pixels for pictures of {len(matrix)}")
        within = within + matrix[inside].T @ matrix[inside] / inside.sum()
        outside = outside + matrix[~inside].T @ matrix[~inside] / (~inside).sum()
    if not np.isfinite(within).all() or not np.isfinite(outside).all() or not within.any() or not outside.any():
        raise InputError("the picture does not depend on w there, or not in finite numbers")
    width = len(within)
    if not 1 <= count <= width:
        raise InputError(f"there are 1 to {width} directions, {count} were wanted")
    lower = outside + tau * np.trace(outside) * np.eye(width)
    values, vectors = scipy.linalg.eigh(within, lower, subset_by_index=[width - count, width - 1])
    directions = vectors.T[::-1]
    return signed(directions / np.linalg.norm(directions, axis=1, keepdims=True)), values[::-1]
