"""Weights of a synthesis network that are exchanged for tuned ones, and back."""
from __future__ import annotations

import numpy as np

from tf_idinvert.errors import InputError
from tf_idinvert.formats import tuned, weights


class Tunable:
    """A synthesis network, into which tuned weights can be put, and the original ones again.

    Args:
        synthesis: Keras model, with the weights that tuning began with.
    Attributes:
        digest: SHA-256 of these, and of what else decides the pictures.
    """

    def __init__(self, synthesis):
        self.synthesis = synthesis
        self.original = weights.export_arrays(synthesis)
        self.digest = tuned.digest_of(synthesis.get_config(), self.original)

    def restore(self):
        """Put the original weights back."""
        weights.assign_arrays(self.synthesis, self.original)

    def put(self, differences):
        """Put in the original weights plus {official name: difference}; what is not named stays as it was."""
        changed = dict(self.original)
        for name, difference in differences.items():
            changed[name] = changed[name] + difference.astype("float32")
        weights.assign_arrays(self.synthesis, changed)

    def apply(self, path):
        """Put in the original weights plus the differences of a file; see `formats.tuned.added`."""
        weights.assign_arrays(self.synthesis, tuned.added(path, self.digest, self.original))

    def differences(self):
        """{official name: float16 array in official layout}: what the weights have moved from the original ones.

        Raises:
            InputError: one has moved further than float16 can hold, or is not finite.
        """
        found = {}
        for name, array in weights.export_arrays(self.synthesis).items():
            with np.errstate(over="ignore", invalid="ignore"):
                difference = (array - self.original[name]).astype("float16")
            if not np.isfinite(difference).all():
                raise InputError(f"tuning has moved {name} further than float16 can hold: lower the learning rate")
            if difference.any():
                found[name] = difference
        return found

    def write(self, path, differences, record):
        """Write a file of `differences()`, atomically; `record`: dict for JSON. Raises OSError."""
        tuned.write(path, self.digest, differences, record)
