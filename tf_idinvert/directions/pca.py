"""GANSpace: principal components of W, of W+, or of a layer's activations regressed on w.

    w' = w + V x        on chosen layers; here x is s sigma_k, of one component v_k with the deviation sigma_k
    M = argmin || A M - W ||        A the activations' coordinates along their components, in deviations

The covariance is exact: sums of w and of w w^T in float64, batch by batch, in constant memory. Source: Haerkoenen et
al. 2020 (GANSpace: Discovering Interpretable GAN Controls), and its published code.
"""
from __future__ import annotations

import numpy as np
import scipy.linalg

from tf_idinvert.directions.sefa import signed
from tf_idinvert.errors import InputError

LARGEST = 8192      # width of codes whose covariance is decomposed: 0.5 GB in float64
MAX_BYTES = 2 << 30     # of activations


class Moments:
    """Mean and covariance of a stream of vectors: `add(x)` for every batch [n, D]; float64."""

    def __init__(self):
        self.count, self.shift, self.sum, self.products = 0, None, 0.0, 0.0

    def add(self, x):
        x = np.asarray(x, np.float64)
        if self.shift is None:
            self.shift = x.mean(axis=0)         # so that the products do not cancel where means are large
        x = x - self.shift
        self.count, self.sum = self.count + len(x), self.sum + x.sum(axis=0)
        self.products = self.products + x.T @ x

    @property
    def mean(self):
        return self.shift + self.sum / self.count

    @property
    def covariance(self):
        """[D, D], with n - 1."""
        return (self.products - np.outer(self.sum, self.sum) / self.count) / (self.count - 1)


def components(batches, count):
    """Principal components of codes.

    Args:
        batches: iterable of arrays [n, D]; read once, one in memory at a time.
        count: how many components, at most D.
    Returns:
        (mean [D], components float64 [count, D] of length 1, standard deviations along them [count], falling).
    Raises:
        InputError: fewer than two codes, codes that do not differ or are not finite, a count outside 1..D.
    """
    moments = Moments()
    for batch in batches:
        if batch.shape[1] > LARGEST:
            raise InputError(f"codes of {batch.shape[1]} numbers, expected at most {LARGEST}: choose fewer layers, "
                             "or --per_layer")
        moments.add(batch)
    if moments.count < 2:
        raise InputError(f"principal components need at least two codes; got {moments.count}")
    width = len(moments.sum)
    if not 1 <= count <= width:
        raise InputError(f"there are 1 to {width} components, {count} were wanted")
    if not np.isfinite(moments.products).all():
        raise InputError("codes that are NaN or infinite")
    values, vectors = scipy.linalg.eigh(moments.covariance, subset_by_index=[width - count, width - 1])
    deviations = np.sqrt(np.maximum(values[::-1], 0))
    if not deviations[0] > 0:
        raise InputError("all codes are the same: there is no component")
    return moments.mean, signed(vectors.T[::-1]), deviations


def regressed(batches, count):
    """Directions of codes that go with the principal components of a layer's activations.

    Args:
        batches: iterable of (codes [n, D], activations [n, F]); read once. All activations are kept.
        count: how many, fewer than there are codes.
    Returns:
        (mean code [D], directions float64 [count, D] of length 1, deviations of the codes along them [count]), in the
        order of the activations' components.
    Raises:
        InputError: too few codes, too large activations, or activations that do not differ or are not finite.
    """
    codes, activations, size = [], [], 0
    for w, features in batches:
        codes.append(np.asarray(w, np.float64))
        activations.append(np.asarray(features, np.float32))
        size += activations[-1].nbytes
        if size > MAX_BYTES:
            raise InputError(f"the layer's activations take more than {MAX_BYTES >> 30} GB: choose an earlier layer, "
                             "or fewer --samples")
    codes, activations = np.concatenate(codes), np.concatenate(activations)
    if not 1 <= count < len(codes):
        raise InputError(f"{len(codes)} codes give 1 to {len(codes) - 1} components, {count} were wanted")
    activations -= activations.mean(axis=0)
    gram = np.float64(activations @ activations.T)          # of the samples: there are fewer of them than activations
    if not np.isfinite(gram).all():
        raise InputError("activations that are NaN or infinite")
    values, vectors = scipy.linalg.eigh(gram, subset_by_index=[len(codes) - count, len(codes) - 1])
    if not values[-1] > 1e-12:
        raise InputError("the layer's activations do not differ: there is no component")
    coordinates = vectors[:, ::-1] * np.sqrt(len(codes) - 1)                # A: [N, count], of deviation 1
    mean = codes.mean(axis=0)
    directions = coordinates.T @ (codes - mean) / (len(codes) - 1)          # M, as A^T A = (N - 1) I
    length = np.linalg.norm(directions, axis=1, keepdims=True)
    if not (length > 0).all():
        raise InputError("the layer's activations do not depend on w")
    directions = signed(directions / length)
    return mean, directions, (codes - mean).dot(directions.T).std(axis=0, ddof=1)
