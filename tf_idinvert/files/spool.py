"""Pictures that wait for a page on the disk, so that memory does not grow with their number."""
from __future__ import annotations

import tempfile

import numpy as np


class Spool:
    """Arrays of one shape, uint8, in a temporary file that vanishes with this object.

    Args:
        shape: of each array.
    """

    def __init__(self, shape):
        self.shape, self.count = tuple(shape), 0
        self.file = tempfile.TemporaryFile()

    def append(self, array):
        """Add an array of uint8. Raises OSError where the disk is full."""
        array = np.ascontiguousarray(array, np.uint8)
        if array.shape != self.shape:
            raise ValueError(f"spool: expected {list(self.shape)}, got {list(array.shape)}")
        self.file.seek(0, 2)
        self.file.write(array.tobytes())
        self.file.flush()
        self.count += 1

    def __iter__(self):
        """The arrays, in the order they came."""
        size = int(np.prod(self.shape))
        for i in range(self.count):
            self.file.seek(i * size)
            yield np.frombuffer(self.file.read(size), np.uint8).reshape(self.shape)
