"""How well manipulations do what they say: does the named attribute follow the distance, and do the others stay.

An attribute network scores the pictures drawn from codes `w + alpha * n`, alpha rising; see `editing.manipulate`.
"""
from __future__ import annotations

import dataclasses

import numpy as np

SLACK = 0.05        # deviations of the originals that a score may fall from one step to the next: what one cannot see


@dataclasses.dataclass(frozen=True)
class Moved:
    """What a manipulation did to a set of pictures. Changes are from the first distance to the last.

    Attributes:
        monotone: share of pictures whose score of the attribute never falls by more than SLACK from step to step.
        strictly: share of pictures whose score rises at every step.
        wanted: mean change of the attribute, in deviations of the originals.
        others: {name: mean absolute change of another attribute, in deviations of the originals}.
    """

    monotone: float
    strictly: float
    wanted: float
    others: dict

    def ratio(self, names):
        """The largest change among the attributes `names`, in parts of the wanted one; NaN if that is not positive."""
        return max(self.others[name] for name in names) / self.wanted if self.wanted > 0 else float("nan")


def measure(scores, attribute, deviations):
    """Measure a manipulation.

    Args:
        scores: {name: [N, S]}, of N pictures at S rising distances.
        attribute: the name of the one that was to change.
        deviations: {name: standard deviation of the originals' scores}.
    Returns:
        Moved.
    """
    in_deviations = {name: np.asarray(values, np.float64) / deviations[name] for name, values in scores.items()}
    changes = {name: values[:, -1] - values[:, 0] for name, values in in_deviations.items()}
    steps = np.diff(in_deviations[attribute], axis=1)
    return Moved((steps >= -SLACK).all(axis=1).mean(), (steps > 0).all(axis=1).mean(), changes[attribute].mean(),
                 {name: np.abs(each).mean() for name, each in changes.items() if name != attribute})
