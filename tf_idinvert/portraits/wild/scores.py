"""What a network can be asked about a wild portrait: numbers as they are, things as there or not, kinds one by one.

Two tasks that share no name, so that a network of the one can judge what methods do that minimise features of the
other: `attributes` asks for the five attributes and the nuisances of the first edition, `nuisances` for all else.
"""
from __future__ import annotations

import numpy as np

from tf_idinvert.portraits.wild.traits import ATTRIBUTES, KINDS

FAMILIAR = ATTRIBUTES + ("skin", "hair", "background", "length", "fringe", "bun", "beard", "side")
PLAIN = ("light", "cloth", "curl", "freckles", "makeup", "tilt", "zoom", "grain")
THERE = ("dye", "scar", "hat", "scarf", "headphones", "earrings", "hand")      # 1 where there is any kind of it
LISTED = dict(scene=None, garment=None, pattern=None, frame="eyeglasses", cut="beard")  # seen where that is not 0
ONE_BY_ONE = tuple(f"{name}-{kind}" for name in LISTED for kind in range(KINDS[name]))
TASKS = {"attributes": FAMILIAR, "nuisances": PLAIN + THERE + ONE_BY_ONE}
BINARY = ("eyeglasses", *THERE, *ONE_BY_ONE)
MIRRORED = ("pose", "side", "tilt")     # the mirror image has the negative


def answers(attributes, names):
    """The right answers.

    Args:
        attributes: {name: [N]} of every trait, as `wild.sample` gives them.
        names: what is asked, of any of TASKS.
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
