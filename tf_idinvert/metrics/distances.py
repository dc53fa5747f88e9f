"""Measures of both papers' tables: errors, Fréchet distances, and comparisons of sets of codes.

They are pure NumPy functions in float64, so every stack gives the same results. The tests compare them with TF-GAN
where it has the same function. Fréchet distances take `moments.Moments`, which can be computed in batches. The sliced
Wasserstein distance is in `sliced_wasserstein`.
"""
from __future__ import annotations

import numpy as np

from tf_idinvert.errors import InputError

NEIGHBOUR_BLOCK = 256       # number of codes whose distances to all others are in memory together



# ------------------------------------------------------------------------------------------------- errors

def mse(images, targets):
    """Return the mean squared error of every picture, over pixels and channels.

    Args:
        images, targets: floats [N, H, W, C], both in the same range; in the papers and here [-1, 1].
    Returns:
        float64 [N].
    """
    images, targets = np.asarray(images), np.asarray(targets)
    if images.shape != targets.shape or images.ndim != 4 or "f" not in images.dtype.kind + targets.dtype.kind:
        raise InputError(f"mse: expected two arrays of floats [N, H, W, C], got {images.dtype} {list(images.shape)} "
                         f"and {targets.dtype} {list(targets.shape)}")
    return np.square(images.astype(np.float64) - targets).mean(axis=(1, 2, 3))


# ------------------------------------------------------------------------------------------------- Fréchet distance

def frechet_distance(first, second):
    """Fréchet distance of two normal distributions: `|m - m'|^2 + tr(C + C' - 2 (C C')^(1/2))`.

    With features of Inception it is the FID (Heusel et al. 2017, equation (6)); with other features it is not
    comparable with FID. The estimate from few vectors is too large; see `extrapolated_frechet_distance`.

    Args:
        first, second: Moments of features [K], such as a network's last hidden layer.
    Returns:
        float >= 0, in squared units of the features.
    """
    factors = []        # F^T F = C; the eigenvalues of C C' are the squares of the singular values of F F'^T
    for moments in first, second:
        values, vectors = np.linalg.eigh(moments.covariance)
        factors.append(np.sqrt(values.clip(0))[:, None] * vectors.T)
    shared = np.linalg.svd(factors[0] @ factors[1].T, compute_uv=False).sum()
    traces = [np.square(factor).sum() for factor in factors]
    distance = np.square(first.mean - second.mean).sum() + traces[0] + traces[1] - 2 * shared
    return max(float(distance), 0.0)        # rounding may make it negative


def extrapolated_frechet_distance(first, second):
    """Fréchet distance, extrapolated to infinitely many vectors.

    The bias of the distance is nearly proportional to 1 / N. Both sets are divided into parts; the mean distance of
    groups of parts is computed for every size of group, and a line over 1 / N is fitted and evaluated at 0.

    Args:
        first, second: moments.Parts with the same number of parts.
    Returns:
        float; near 0, possibly negative, for two sets from one distribution. NaN if a part has K vectors or fewer:
        its covariance is singular, and the bias has another form.
    Source: Chong and Forsyth 2020 (Effectively unbiased FID), section 3.
    """
    count = len(first.parts)
    if len(second.parts) != count:
        raise InputError(f"expected equally many parts, got {count} and {len(second.parts)}")
    smallest = min(part.count for part in (*first.parts, *second.parts))
    if smallest < 2 or smallest <= len(first.parts[0].mean):
        return float("nan")
    inverse_sizes, distances = [], []
    for size in (size for size in range(1, count + 1) if count % size == 0):
        groups = [[parts.merged(at, at + size) for parts in (first, second)] for at in range(0, count, size)]
        inverse_sizes.append(np.mean([2 / (a.count + b.count) for a, b in groups]))
        distances.append(np.mean([frechet_distance(a, b) for a, b in groups]))
    return float(np.polynomial.polynomial.polyfit(inverse_sizes, distances, 1)[0])


# ------------------------------------------------------------------------------------------------- codes

def nearest_neighbour_test(first, second):
    """Two-sample test: return for every code whether its nearest neighbour belongs to its own set.

    The mean is the leave-one-out accuracy of a nearest-neighbour classifier: 0.5 for two sets from one distribution, 1
    for separate sets, near 0 if one set holds copies of the other. The sets should have the same size, because the
    chance level depends on it.

    Args:
        first, second: [N, ...] and [M, ...]; Euclidean distance after flattening.
    Returns:
        bool [N + M]; False for a code that is equally near to both sets.
    Source: Lopez-Paz and Oquab 2017 (Revisiting classifier two-sample tests); Xu et al. 2018.
    """
    sets = _flat(first, second)
    vectors = np.concatenate(sets) - np.concatenate(sets).mean(axis=0)      # centred: less cancellation in distances
    is_second = np.arange(len(vectors)) >= len(sets[0])
    lengths = np.square(vectors).sum(axis=1)
    right = np.empty(len(vectors), bool)
    for start in range(0, len(vectors), NEIGHBOUR_BLOCK):
        rows = np.arange(start, min(start + NEIGHBOUR_BLOCK, len(vectors)))
        distances = lengths[rows, None] + lengths - 2 * (vectors[rows] @ vectors.T)
        distances[distances < 1e-12 * (lengths[rows, None] + lengths)] = 0      # equal but for rounding
        distances[np.arange(len(rows)), rows] = np.inf
        own = np.where(is_second == is_second[rows, None], distances, np.inf).min(axis=1)
        other = np.where(is_second != is_second[rows, None], distances, np.inf).min(axis=1)
        right[rows] = own < other
    return right


def outliers(codes, reference, deviations=10.0):
    """Return which codes have a component that is more than `deviations` standard deviations from the reference's mean.

    Args:
        codes: [N, ...].
        reference: [M, ...], M >= 2, with the same number of components.
        deviations: the default 10 practically never occurs in a normal distribution.
    Returns:
        bool [N]; its mean is the share of outliers.
    """
    codes, reference = _flat(codes, reference)
    apart = np.abs(codes - reference.mean(axis=0))
    return (apart > deviations * reference.std(axis=0, ddof=1)).any(axis=1)


def _flat(first, second):
    """Return two sets as float64 [N, K] and [M, K]; InputError if they do not fit each other."""
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if min(first.ndim, second.ndim) < 2 or first.shape[1:] != second.shape[1:] or min(len(first), len(second)) < 2:
        raise InputError(f"expected two sets of at least two codes of one shape, got {list(first.shape)} and "
                         f"{list(second.shape)}")
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise InputError("codes that are NaN or infinite")
    return first.reshape(len(first), -1), second.reshape(len(second), -1)
