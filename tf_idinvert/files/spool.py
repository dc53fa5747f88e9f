"""Temporary on-disk queue of uint8 arrays: memory use does not grow with their number."""
from __future__ import annotations

import tempfile

import numpy as np


class Spool:
    """uint8 arrays of one shape, in a temporary file that is deleted with this object.

    Args:
        shape: of each array.
    """

    def __init__(self, shape):
        self.shape, self.count = tuple(shape), 0
        self.file = tempfile.TemporaryFile()

    def append(self, array):
        """Add an array of uint8 -> its place, counted from 0. Raises OSError where the disk is full."""
        array = np.ascontiguousarray(array, np.uint8)
        if array.shape != self.shape:
            raise ValueError(f"spool: expected {list(self.shape)}, got {list(array.shape)}")
        place = self.count
        self.file.seek(place * array.size)      # over what an interrupt may have left there
        self.file.write(array.tobytes())
        self.file.flush()
        self.count = place + 1
        return place

    def __len__(self):
        return self.count

    def __getitem__(self, place):
        """The array at a place; IndexError beyond the last, which ends a loop over the spool."""
        if not 0 <= place < self.count:
            raise IndexError(f"spool: expected a place from 0 to {self.count - 1}, got {place}")
        size = int(np.prod(self.shape))
        self.file.seek(place * size)
        return np.frombuffer(self.file.read(size), np.uint8).reshape(self.shape)
