"""Sliced Wasserstein distance between two sets of pictures at each level of a Laplacian pyramid.

Source: Karras et al. 2018 (Progressive growing of GANs), section 5 and appendix: at each level, 7 x 7 patches, drawn
from every picture; each colour channel of a set's patches brought to mean 0 and deviation 1; the patches projected on
random directions; on each direction the exact distance of the two distributions of numbers, averaged over directions.

TF-GAN's function of this name (see `evaluation.tfgan`) departs from that: it brings each *patch* to mean 0 and
deviation 1, so that it does not see brightness and contrast, and is NaN as soon as one patch of all is flat; it holds
all patches in memory; its draws differ between the sets, so that equal sets are not at distance 0. Hence this file.

Here memory does not grow with the number of pictures: projections are counted in histograms, whose bins are narrow near
0 and wider, in proportion, away from it. The distance is the area between two cumulative histograms.

A set's histograms do not depend on how it is cut into batches, nor on processor, threads or where arrays lie in memory,
so that a set is at distance 0 from itself, exactly: sums are taken picture by picture, in order; and both factors of a
projection are rounded to grids so coarse that every product and sum of them is a float64 without rounding, in whatever
order a matrix product takes them. That moves a projection by less than a twentieth of the narrowest bin.
"""
from __future__ import annotations

import math

import numpy as np

from tf_idinvert.errors import InputError

PATCH = 7                   # side of a patch
COARSEST = 16               # side of the last level
BINS, FINEST, LARGEST = 2048, 0.05, 200.0   # of a histogram: linear up to about FINEST, covers +-LARGEST deviations
PICTURES_AT_ONCE = 64
DIRECTION_GRID, VALUE_GRID = 2.0 ** 18, 2.0 ** 16       # steps in 1
FURTHEST = 2.0 ** 15        # deviations from the mean: in a set of fewer than 2^30 values, none is further
# Exact: |sum| <= |direction| |vector| <= 2^18 * sqrt(147) * 2^(16 + 15) < 2^53, for pictures of up to 3 channels.



def project(pictures, seed=0, patches=64, directions=512):
    """Histograms of a set of pictures, to be compared by `distances`.

    Args:
        pictures: iterable that can be run through twice, of batches [n, R, R, C], R a power of two >= 8, in any range;
            a list or an object with `__iter__`, no generator. Patches of picture i are drawn by seed and i only.
        seed: of patches and directions; the same for sets to be compared.
        patches: patches of each picture at each level; 128 in the paper, 64 in TF-GAN.
        directions: number of random directions; 512 in the paper.
    Returns:
        {side of the level: int64 [directions, BINS]}, finest level first.
    """
    if iter(pictures) is pictures:
        raise InputError("expected batches that can be run through twice, got a generator")
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
    """Sliced Wasserstein distance at each level.

    Args:
        first, second: what `project` gave for two sets, of any sizes, with the same seed.
    Returns:
        {side of the level: float >= 0}, in standard deviations of a patch's values; the papers' tables show 1000 times
        it. 0 for two identical sets. Two sets from one distribution are at a distance that falls as they grow: compare
        with that of two sets of real pictures.
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
    """Laplacian pyramid, with the binomial filter 1 4 6 4 1 and mirrored borders, as OpenCV's pyrDown and pyrUp.

    Args:
        images: float32 [n, R, R, C], R a power of two.
    Returns:
        List of float32 [n, S, S, C], S = R, R / 2, ..., 16 (or R alone if smaller); the last is the blurred picture.
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
    """Patches at random places of each picture: [n, S, S, C] -> [n * count, C, PATCH * PATCH]."""
    free = level.shape[1] - PATCH + 1
    places = np.stack([draw.integers(0, free, (2, count)) for draw in draws])          # [n, 2, count]
    windows = np.lib.stride_tricks.sliding_window_view(level, (PATCH, PATCH), axis=(1, 2))
    found = windows[np.arange(len(level))[:, None], places[:, 0], places[:, 1]]         # [n, count, C, PATCH, PATCH]
    return found.reshape(-1, level.shape[3], PATCH * PATCH)


def _directions(seed, side, size, count):
    """Unit vectors [count, size]."""
    axes = np.random.default_rng([seed, 1, side]).standard_normal((count, size))
    return axes / np.linalg.norm(axes, axis=1, keepdims=True)


def _histograms(values):
    """float32 [D, m] -> int64 [D, BINS]."""
    places = np.copysign(np.log1p(np.abs(values) * np.float32(1 / FINEST)), values)
    places *= np.float32(BINS / 2 / math.log1p(LARGEST / FINEST))
    places = np.clip(np.floor(places).astype(np.int32) + BINS // 2, 0, BINS - 1)
    return np.stack([np.bincount(row, minlength=BINS) for row in places])


def _blurred(images):
    """Binomial filter 1 4 6 4 1 over rows and columns, borders mirrored without repeating the edge: [n, S, S, C]."""
    for axis in (1, 2):
        padded = np.pad(images, [(2, 2) if a == axis else (0, 0) for a in range(4)], mode="reflect")
        before, length = (slice(None),) * axis, images.shape[axis]
        shifted = [padded[(*before, slice(i, i + length))] for i in range(5)]
        images = (shifted[0] + shifted[4] + 4 * (shifted[1] + shifted[3]) + 6 * shifted[2]) / np.float32(16)
    return images
