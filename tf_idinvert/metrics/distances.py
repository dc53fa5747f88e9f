"""The numbers of both papers' tables: errors, Fréchet distances, precision and recall, likeness of sets of codes.

Pure functions of arrays, in float64, in NumPy: they give the same on every stack. The tests compare them with TF-GAN's
where it has them. What needs many pictures takes `moments.Moments`, which are filled in batches; the sliced Wasserstein
distance has a file of its own.
"""
from __future__ import annotations

import numpy as np

from tf_idinvert.errors import InputError

NEIGHBOUR_BLOCK = 256       # codes whose distances to all others are in memory at a time



# ------------------------------------------------------------------------------------------------- errors

def mse(images, targets):
    """Mean squared error of each picture, over pixels and channels.

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

    With features of Inception it is called FID (Heusel et al. 2017, equation (6)); with any other features it is not
    comparable with FID. Estimated from few vectors it is too large: see `extrapolated_frechet_distance`.

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
    return max(float(distance), 0.0)        # below 0 by rounding only


def extrapolated_frechet_distance(first, second):
    """Fréchet distance that infinitely many vectors would have: a line through distances of parts over 1 / N, at 0.

    Source: Chong and Forsyth 2020 (Effectively unbiased FID), section 3: the bias is nearly proportional to 1 / N. Here
    both sets are cut into parts, and the distances of all equally large groups are averaged.

    Args:
        first, second: moments.Parts, equally many.
    Returns:
        float; near 0, possibly below it, for two sets from one distribution. NaN where a part has no more than K
        vectors: such covariances are singular, and the bias is another.
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
    """Two-sample test: whether the nearest neighbour of each code is of its own set.

    The mean is the accuracy of a nearest-neighbour classifier, leave-one-out: 0.5 for two sets from one distribution,
    1 for sets that lie apart, near 0 where one holds copies of the other (two identical sets: 0). Sets of equal size,
    or the chance level is another. Source: Lopez-Paz and Oquab 2017 (Revisiting classifier two-sample tests); Xu et
    al. 2018.

    Args:
        first, second: [N, ...] and [M, ...], flattened; Euclidean distance.
    Returns:
        bool [N + M]. A code as near to the other set as to its own counts as wrong.
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
    """Which codes have a component further from the reference set's mean than this many of its standard deviations.

    Args:
        codes: [N, ...].
        reference: [M, ...], M >= 2, of the same width.
        deviations: 10 is beyond what any normal distribution holds.
    Returns:
        bool [N]; its mean is the share of outliers.
    """
    codes, reference = _flat(codes, reference)
    apart = np.abs(codes - reference.mean(axis=0))
    return (apart > deviations * reference.std(axis=0, ddof=1)).any(axis=1)


def _flat(first, second):
    """Two sets as float64 [N, K] and [M, K]; InputError where they do not fit each other."""
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if min(first.ndim, second.ndim) < 2 or first.shape[1:] != second.shape[1:] or min(len(first), len(second)) < 2:
        raise InputError(f"expected two sets of at least two codes of one shape, got {list(first.shape)} and "
                         f"{list(second.shape)}")
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise InputError("codes that are NaN or infinite")
    return first.reshape(len(first), -1), second.reshape(len(second), -1)
