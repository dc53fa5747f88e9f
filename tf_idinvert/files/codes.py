"""Codes in a .npy or .npz file that another program made: W or W+, of one picture or of many."""
from __future__ import annotations

from pathlib import Path

import numpy as np

from tf_idinvert.errors import InputError
from tf_idinvert.files import arrays
from tf_idinvert.files.results import Results, check_range

SUFFIXES = (".npy", ".npz")


class CodesFile:
    """Codes that are read now, and fitted to a network when it is known.

    Args:
        path: .npy file, or .npz file with one array; floats [N, L, D], [N, 1, D], [N, D], [L, D] or [D].
    Raises:
        InputError: something else, damaged, or numbers that no network takes.
    """

    def __init__(self, path):
        self.path = Path(path)
        if self.path.suffix.lower() == ".npz":
            found = arrays.read_archive(path)
            if "boundary" in found:
                raise InputError(f"{path}: a boundary, expected codes")
            if len(found) != 1:
                raise InputError(f"{path}: holds {len(found)} arrays, expected one of codes")
            self.values, = found.values()
        else:
            self.values = arrays.read(path)
        if self.values.dtype.kind != "f" or not 1 <= self.values.ndim <= 3 or not self.values.size:
            raise InputError(f"{path}: expected codes [N, L, D], [N, D] or [L, D] of floats, got {self.values.dtype} "
                             f"{list(self.values.shape)}")
        check_range(path, self.values)

    def results(self, num_layers, width):
        """The codes as Results, for a network of `num_layers` layers of `width`, and what they were taken for.

        An array of as many rows as the network has layers is one code of W+, any other matrix is rows of W, of which
        each is for all layers.

        Returns:
            (Results, line for the user).
        Raises:
            InputError: codes of another network.
        """
        values = self.values.astype(np.float32)
        one = values.ndim == 2 and len(values) == num_layers
        codes = values[None] if one else values.reshape(-1, 1, values.shape[-1]) if values.ndim < 3 else values
        if codes.shape[1] not in (1, num_layers) or codes.shape[2] != width:
            raise InputError(f"{self.path}: codes {list(self.values.shape)}, this network has {num_layers} layers of "
                             f"{width}: expected [N, {num_layers}, {width}], [N, {width}] or [{num_layers}, {width}]")
        what = "of W, each for all layers" if codes.shape[1] == 1 else "of W+"
        codes = np.ascontiguousarray(np.broadcast_to(codes, [len(codes), num_layers, width]))
        names = [self.path.stem] if len(codes) == 1 else [f"{self.path.stem}_{i:04d}" for i in range(len(codes))]
        line = f"{self.path}: {list(self.values.shape)}, taken for {len(codes)} code{'s' * (len(codes) > 1)} {what}"
        return Results(self.path, tuple(names), codes), line
