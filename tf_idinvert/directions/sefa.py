"""SeFa: directions of W from the weights of the generator alone, in closed form.

    n* = argmax over ||n|| = 1 of ||A^T n||^2           (section 3.2; the K best are eigenvectors of A A^T)

A, of the chosen layers, is the affine map from w to their styles. The published code first scales the columns of A to
length 1, so that each style channel counts the same; the formula does not say so. Source: Shen and Zhou 2021
(Closed-Form Factorization of Latent Semantics in GANs), and its published code.
"""
from __future__ import annotations

import numpy as np

from tf_idinvert.errors import InputError


def factorize(matrices, count):
    """Directions of w that change the styles most.

    Args:
        matrices: arrays [D, n_l], of each chosen layer that turns w into its style; their scale does not matter.
        count: how many directions, at most D.
    Returns:
        (float64 [count, D], of length 1, each with its largest component positive; their eigenvalues, falling.)
    Raises:
        InputError: no layer, other widths, weights that are not finite, or a count outside 1..D.
    """
    if not matrices or len({len(matrix) for matrix in matrices}) != 1:
        raise InputError("SeFa needs the style matrices of at least one layer, all of one width of W")
    weight = np.concatenate(matrices, axis=1).astype(np.float64)                # A: [D, sum of n_l]
    if not np.isfinite(weight).all():
        raise InputError("SeFa: style weights that are NaN or infinite")
    if not 1 <= count <= len(weight):
        raise InputError(f"SeFa gives 1 to {len(weight)} directions of this W, {count} were wanted")
    length = np.linalg.norm(weight, axis=0, keepdims=True)
    weight /= np.where(length > 0, length, 1)
    values, vectors = np.linalg.eigh(weight @ weight.T)                         # rising
    return signed(vectors.T[::-1][:count]), values[::-1][:count]


def signed(directions):
    """Rows with their sign chosen so that the component of largest size is positive: results then repeat."""
    largest = np.take_along_axis(directions, np.abs(directions).argmax(axis=1)[:, None], axis=1)
    return directions * np.where(largest < 0, -1.0, 1.0)
