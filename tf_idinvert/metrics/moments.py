"""Mean and covariance of vectors, updated in batches, so that memory does not grow with the number of vectors.

Source of the update: Chan, Golub and LeVeque 1979 (Updating formulae and a pairwise algorithm for computing sample
variances), equation (2.1), here for matrices.
"""
from __future__ import annotations

import numpy as np

from tf_idinvert.errors import InputError


class Moments:
    """Number `count`, `mean` [K] and `covariance` [K, K], in float64, of the vectors passed to `add`."""

    def __init__(self):
        self.count, self.mean, self.scatter = 0, 0.0, 0.0

    def add(self, values):
        """Add vectors.

        Args:
            values: [n, K], n >= 0.
        Raises:
            InputError: the shape does not fit, or values are not finite.
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
        """Unbiased covariance [K, K], divided by count - 1; InputError with fewer than two vectors."""
        if self.count < 2:
            raise InputError(f"moments: a covariance needs two vectors, got {self.count}")
        return self.scatter / (self.count - 1)


class Parts:
    """Moments of equal parts of the vectors; vector number i belongs to part i mod `count`.

    With them, one can see how a statistic depends on the number of vectors.
    """

    def __init__(self, count=8):
        self.parts, self.taken = [Moments() for _ in range(count)], 0

    def add(self, values):
        """Add vectors; see `Moments.add`."""
        values = np.asarray(values)
        for i, part in enumerate(self.parts):
            part.add(values[(i - self.taken) % len(self.parts)::len(self.parts)])
        self.taken += len(values)

    def merged(self, first=0, last=None):
        """Return the Moments of the parts `first` to `last` (exclusive; None: to the end)."""
        result = Moments()
        for part in self.parts[first:last]:
            result.merge(part)
        return result
