"""Sliced Wasserstein distance between two sets of pictures at every level of a Laplacian pyramid.

Method: 7 x 7 patches are drawn from all pictures at every level. Over a set, every colour channel of the patches is
normalised to mean 0 and standard deviation 1. The patches are projected on random directions. The distance is the exact
one-dimensional Wasserstein distance, averaged over the directions.

TF-GAN's function of this name (see `evaluation.tfgan`) differs. It normalises every *patch*, so it ignores brightness
and contrast, and it is NaN if a single patch is flat. It holds all patches in memory. It draws different patches and
directions for the two sets, so that equal sets have a distance above 0. Therefore this file exists.

Here memory does not grow with the number of pictures: projections are counted in histograms with bins that are narrow
near 0 and proportionally wider away from it. The distance is the area between two cumulative histograms.

The histograms of a set do not depend on its division into batches, on the processor, on threads or on memory layout, so
that the distance of a set to itself is exactly 0. For this, sums are taken picture by picture, in order, and both
factors of a projection are rounded to coarse grids, on which float64 products and sums are exact in any order. The
rounding moves a projection by less than a twentieth of the narrowest bin.

Source: Karras et al. 2018 (Progressive growing of GANs), section 5 and appendix.
"""
from __future__ import annotations

import math

import numpy as np

from tf_idinvert.errors import InputError

PATCH = 7                   # side of a patch
COARSEST = 16               # side of the last level
BINS, FINEST, LARGEST = 2048, 0.05, 200.0   # histogram: linear up to about FINEST, up to +-LARGEST deviations
PICTURES_AT_ONCE = 64
DIRECTION_GRID, VALUE_GRID = 2.0 ** 18, 2.0 ** 16       # grid steps per unit
FURTHEST = 2.0 ** 15        # largest possible distance from the mean, in deviations, in a set of up to 2^30 values
# Exact: |sum| <= |direction| |vector| <= 2^18 * sqrt(147) * 2^(16 + 15) < 2^53, for pictures of up to 3 channels.



def project(pictures, seed=0, patches=64, directions=512):
    """Return the histograms of a set of pictures, for `distances`.

    Args:
        pictures: batches [n, R, R, C], R a power of two >= 8, in any range, as a list or another iterable that can be
            iterated twice (no generator). The patches of picture i depend on seed and i alone.
        seed: seed of patches and directions; sets to compare need the same.
        patches: patches per picture and level; 128 in the paper, 64 in TF-GAN.
        directions: number of random directions; 512 in the paper.
    Returns:
        {side of the level: int64 [directions, BINS]}, finest level first.
    """
    if iter(pictures) is pictures:
        raise InputError("expected batches that can be iterated twice, got a generator")
    sums = {}
    for side, found in _patches(pictures, seed, patches):
        for one in found.reshape(-1, patches, *found.shape[1:]).astype(np.float64):
            each = np.stack([one.sum(axis=(0, 2)), np.square(one).sum(axis=(0, 2)),
                             np.full(one.shape[1], one.shape[0] * one.shape[2])])
            sums[side] = sums.get(side, 0) + each
    if not sums:
        raise InputError("expected pictures, got none")
    scales, axes, counts = {}, {}, {}
    for side, (total, squares, number) in sums.items():
        mean = total / number
        deviation = np.sqrt(np.maximum(squares / number - np.square(mean), 0))
        flat = deviation <= 1e-6 * np.abs(mean)
        scales[side] = mean[:, None].astype(np.float32), np.where(flat, 1, deviation)[:, None].astype(np.float32)
        axes[side] = np.rint(_directions(seed, side, len(mean) * PATCH * PATCH, directions) * DIRECTION_GRID)
        counts[side] = np.zeros((directions, BINS), np.int64)
    for side, found in _patches(pictures, seed, patches):
        mean, deviation = scales[side]
        vectors = ((found - mean) / deviation).reshape(len(found), -1).astype(np.float64)
        vectors = np.rint(vectors.clip(-FURTHEST, FURTHEST) * VALUE_GRID)
        projections = axes[side] @ vectors.T / (DIRECTION_GRID * VALUE_GRID)
        counts[side] += _histograms(projections.astype(np.float32))
    return counts


def distances(first, second):
    """Return the sliced Wasserstein distance per level.

    Args:
        first, second: results of `project` for two sets of any sizes, with the same seed.
    Returns:
        {side of the level: float >= 0}, in standard deviations of the patches' values; the papers' tables show 1000
        times this number. Identical sets have distance 0. Two sets from one distribution have a distance that falls
        with their sizes, so compare with the distance of two sets of real pictures.
    """
    shapes = [{side: counts.shape for side, counts in each.items()} for each in (first, second)]
    if shapes[0] != shapes[1]:
        raise InputError("expected sets of one resolution, projected on equally many directions")
    edges = np.linspace(-1, 1, BINS + 1) * math.log1p(LARGEST / FINEST)
    edges = np.copysign(np.expm1(np.abs(edges)) * FINEST, edges)
    result = {}
    for side in first:
        shares = [np.cumsum(each[side], axis=1) / each[side].sum(axis=1, keepdims=True) for each in (first, second)]
        apart = np.pad(np.abs(shares[0] - shares[1]), ((0, 0), (1, 0)))     # at every edge, [directions, BINS + 1]
        areas = (apart[:, :-1] + apart[:, 1:]) / 2 * np.diff(edges)
        result[side] = float(areas.sum(axis=1).mean())
    return result


def laplacian_pyramid(images):
    """Return the Laplacian pyramid, with filter 1 4 6 4 1 and mirrored borders, as OpenCV's pyrDown and pyrUp.

    Args:
        images: float32 [n, R, R, C], R a power of two.
    Returns:
        list of float32 [n, S, S, C], S = R, R / 2, ..., 16 (only R if smaller); the last is the blurred picture.
    """
    levels = [images]
    while levels[-1].shape[1] > COARSEST:
        smaller = _blurred(levels[-1])[:, ::2, ::2]
        spread = np.zeros_like(levels[-1])
        spread[:, ::2, ::2] = smaller
        levels[-1] = levels[-1] - 4 * _blurred(spread)
        levels.append(smaller)
    return levels


def _patches(pictures, seed, count):
    """Yield (side of the level, float32 [n * count, C, PATCH * PATCH]) for all pictures."""
    at, shape = 0, None
    for batch in pictures:
        batch = np.asarray(batch)
        side = batch.shape[1] if batch.ndim == 4 else 0
        if side < 8 or side & side - 1 or batch.shape[2] != side or shape not in (None, batch.shape[1:]):
            raise InputError(f"expected batches [n, R, R, C] of one size, R a power of two >= 8; got "
                                         f"{list(batch.shape)}" + (f" after {list(shape)}" if shape else ""))
        shape = batch.shape[1:]
        for start in range(0, len(batch), PICTURES_AT_ONCE):
            some = batch[start:start + PICTURES_AT_ONCE].astype(np.float32)
            draws = [np.random.default_rng([seed, 0, at + i]) for i in range(len(some))]
            at += len(some)
            for level in laplacian_pyramid(some):
                yield level.shape[1], _cut(level, draws, count)


def _cut(level, draws, count):
    """Cut patches at random positions of every picture: [n, S, S, C] -> [n * count, C, PATCH * PATCH]."""
    free = level.shape[1] - PATCH + 1
    places = np.stack([draw.integers(0, free, (2, count)) for draw in draws])          # [n, 2, count]
    windows = np.lib.stride_tricks.sliding_window_view(level, (PATCH, PATCH), axis=(1, 2))
    found = windows[np.arange(len(level))[:, None], places[:, 0], places[:, 1]]         # [n, count, C, PATCH, PATCH]
    return found.reshape(-1, level.shape[3], PATCH * PATCH)


def _directions(seed, side, size, count):
    """Return random unit vectors [count, size]."""
    axes = np.random.default_rng([seed, 1, side]).standard_normal((count, size))
    return axes / np.linalg.norm(axes, axis=1, keepdims=True)


def _histograms(values):
    """Return histograms of values: float32 [D, m] -> int64 [D, BINS]."""
    places = np.copysign(np.log1p(np.abs(values) * np.float32(1 / FINEST)), values)
    places *= np.float32(BINS / 2 / math.log1p(LARGEST / FINEST))
    places = np.clip(np.floor(places).astype(np.int32) + BINS // 2, 0, BINS - 1)
    return np.stack([np.bincount(row, minlength=BINS) for row in places])


def _blurred(images):
    """Apply the binomial filter 1 4 6 4 1 to rows and columns; borders are mirrored without repeating the edge."""
    for axis in (1, 2):
        padded = np.pad(images, [(2, 2) if a == axis else (0, 0) for a in range(4)], mode="reflect")
        before, length = (slice(None),) * axis, images.shape[axis]
        shifted = [padded[(*before, slice(i, i + length))] for i in range(5)]
        images = (shifted[0] + shifted[4] + 4 * (shifted[1] + shifted[3]) + 6 * shifted[2]) / np.float32(16)
    return images
