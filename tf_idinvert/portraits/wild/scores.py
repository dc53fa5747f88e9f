"""What networks predict for wild portraits: numbers as they are, presence of things, and kinds as one-hot labels.

The two tasks share no name, so that the network of one task can measure methods that minimise features of the other:
`attributes` are the five attributes and the nuisances of the first kind of portraits, `nuisances` everything else.
"""
from __future__ import annotations

import numpy as np

from tf_idinvert.portraits.wild.traits import ATTRIBUTES, KINDS

FAMILIAR = ATTRIBUTES + ("skin", "hair", "background", "length", "fringe", "bun", "beard", "side")
PLAIN = ("light", "cloth", "curl", "freckles", "makeup", "tilt", "zoom", "grain")
THERE = ("dye", "scar", "hat", "scarf", "headphones", "earrings", "hand")      # 1 if any kind is present
LISTED = dict(scene=None, garment=None, pattern=None, frame="eyeglasses", cut="beard")  # visible if that is not 0
ONE_BY_ONE = tuple(f"{name}-{kind}" for name in LISTED for kind in range(KINDS[name]))
TASKS = {"attributes": FAMILIAR, "nuisances": PLAIN + THERE + ONE_BY_ONE}
BINARY = ("eyeglasses", *THERE, *ONE_BY_ONE)
MIRRORED = ("pose", "side", "tilt")     # the mirror image has the negative


def answers(attributes, names):
    """Return the correct predictions.

    Args:
        attributes: {name: [N]} of all traits, as returned by `wild.sample`.
        names: names to predict, from any of TASKS.
    Returns:
        {name: float32 [N]}
    """
    def column(name):
        trait, _, kind = name.partition("-")
        values = np.asarray(attributes[trait])
        if kind:
            condition = LISTED[trait]
            return (values == int(kind)) & (True if condition is None else np.asarray(attributes[condition]) > 0)
        return values > 0 if name in THERE else values

    return {name: column(name).astype(np.float32) for name in names}
