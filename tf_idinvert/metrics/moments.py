"""Mean and covariance of vectors, updated batch by batch; memory does not grow with their number.

Source of the update: Chan, Golub and LeVeque 1979 (Updating formulae and a pairwise algorithm for computing sample
variances), equation (2.1), here for matrices.
"""
from __future__ import annotations

import numpy as np

from tf_idinvert.errors import InputError


class Moments:
    """`count` vectors [K], their `mean` [K] and `covariance` [K, K], in float64; `add` takes more of them."""

    def __init__(self):
        self.count, self.mean, self.scatter = 0, 0.0, 0.0

    def add(self, values):
        """Take more vectors.

        Args:
            values: [n, K], n >= 0.
        Raises:
            InputError: another shape, or NaN or infinity among them.
        """
        values = np.asarray(values, np.float64)
        if values.ndim != 2 or self.count and values.shape[1:] != self.mean.shape:
            known = f"[n, {len(self.mean)}]" if self.count else "[n, K]"
            raise InputError(f"moments: expected vectors {known}, got {list(values.shape)}")
        if not np.isfinite(values).all():
            raise InputError("moments: vectors that hold NaN or infinity")
        if len(values):
            batch = Moments()
            batch.count, batch.mean = len(values), values.mean(axis=0)
            centred = values - batch.mean
            batch.scatter = centred.T @ centred
            self.merge(batch)

    def merge(self, other):
        """Add the vectors of other Moments."""
        count = self.count + other.count
        if other.count:
            apart = other.mean - self.mean
            self.scatter = self.scatter + other.scatter + np.outer(apart, apart) * (self.count * other.count / count)
            self.mean = self.mean + apart * (other.count / count)
        self.count = count

    @property
    def covariance(self):
        """Unbiased: divided by count - 1. InputError with fewer than two vectors."""
        if self.count < 2:
            raise InputError(f"moments: a covariance needs two vectors, got {self.count}")
        return self.scatter / (self.count - 1)


class Parts:
    """Moments of equal parts of the vectors: number i belongs to part i mod `count`.

    They show how a statistic depends on the number of vectors.
    """

    def __init__(self, count=8):
        self.parts, self.taken = [Moments() for _ in range(count)], 0

    def add(self, values):
        """As `Moments.add`."""
        values = np.asarray(values)
        for i, part in enumerate(self.parts):
            part.add(values[(i - self.taken) % len(self.parts)::len(self.parts)])
        self.taken += len(values)

    def merged(self, first=0, last=None):
        """Moments of the parts from `first` up to `last`, which is not among them; None: to the end."""
        result = Moments()
        for part in self.parts[first:last]:
            result.merge(part)
        return result
