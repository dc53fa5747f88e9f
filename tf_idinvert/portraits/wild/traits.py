"""The traits of wild portraits: names, ranges and distributions.

The five attributes are those of `portraits`, drawn independently. The nuisances are those of `portraits` and many more.
The last trait is `detail`, a whole number that determines everything without a name: proportions of the face, single
leaves, books, hairs and folds.
"""
from __future__ import annotations

import numbers

import numpy as np

from tf_idinvert.errors import InputError
from tf_idinvert.portraits.canvas import mix, ramp

ATTRIBUTES = ("age", "gender", "eyeglasses", "pose", "expression")
NUISANCES = ("skin", "hair", "background", "length", "fringe", "bun", "beard", "side", "light", "scene", "cloth",
             "garment", "pattern", "curl", "dye", "cut", "frame", "freckles", "scar", "makeup", "hat", "scarf",
             "headphones", "earrings", "hand", "tilt", "zoom", "grain", "detail")
NAMES = ATTRIBUTES + NUISANCES
SIGNED = ("pose", "expression", "side", "tilt")     # in [-1, 1]
KINDS = dict(                                       # number of kinds, 0 to this minus 1; 0 is the first kind or none
    eyeglasses=2, scene=10, garment=6, pattern=7, dye=5, cut=5, frame=6, scar=2, hat=6, scarf=2, headphones=2,
    earrings=4, hand=3, detail=2 ** 24)
DEFAULTS = dict(length=0.3, fringe=0.6, side=0.5, light=0.5, cloth=0.3, zoom=0.5)   # of nuisances; other defaults are 0

EYEGLASSES, HAT, HAND, HEADPHONES, SCARF, SCAR, DYE, EARRINGS = 0.36, 0.06, 0.04, 0.04, 0.07, 0.05, 0.03, 0.2
FRAMES = (0.22, 0.44, 0.60, 0.76, 0.92)             # cumulative shares of the frames; the rest are dark glasses
CUTS = (0.36, 0.58, 0.76, 0.90)                     # cumulative shares of the cuts of a beard


def draw(seed, index):
    """Return the uniform numbers of one portrait. NumPy keeps the stream of `random` from version to version."""
    return np.random.default_rng([seed, index]).random(len(NAMES))


def traits_of(numbers_drawn):
    """Compute the traits, in the order of NAMES, from as many uniform numbers: a list of float."""
    row = dict(zip(NAMES, np.asarray(numbers_drawn, np.float64).tolist()))
    row.update({name: 2.0 * row[name] - 1.0 for name in SIGNED})
    masculine = row["gender"] = ramp(row["gender"])     # both ends more frequent than the middle
    row["hair"] *= 1.0 - 0.7 * ramp(row["skin"], 0.35, 0.9)     # deep skin goes with dark hair
    row["beard"] = 1.0 - row["beard"] if masculine > 0.6 and row["beard"] < 0.55 else 0.0
    row["bun"] = 1.0 - 2.0 * row["bun"] if masculine < 0.5 and row["bun"] < 0.2 else 0.0
    shorter = ramp(masculine, 0.3, 0.7)
    row["length"] = row["length"] * mix(0.7, 0.3, shorter) + mix(0.3, 0.0, shorter)
    row["length"] *= 0.1 if row["bun"] else 1.0
    row["freckles"] = max(0.0, 1.0 - row["freckles"] / 0.2)
    row["makeup"] = max(0.0, 1.0 - row["makeup"] / mix(0.55, 0.04, shorter))
    row["tilt"] *= row["tilt"] * row["tilt"]
    row["grain"] *= row["grain"]
    return [float(value) for value in dict(row, **_kinds(row)).values()]


def _kinds(row):
    """Compute the traits that are whole numbers from uniform numbers."""
    def of(name, chance):
        """Return 0, or with probability `chance` one of 1, 2, ..., all equally likely."""
        return 0 if row[name] >= chance else 1 + int(row[name] / chance * (KINDS[name] - 1))

    kinds = {name: int(row[name] * KINDS[name]) for name in ("scene", "garment", "pattern", "detail")}
    kinds.update(eyeglasses=int(row["eyeglasses"] < EYEGLASSES), hat=of("hat", HAT), hand=of("hand", HAND),
                 scarf=of("scarf", SCARF), scar=of("scar", SCAR), dye=of("dye", DYE), earrings=of(
                     "earrings", EARRINGS * (1.7 - 1.4 * row["gender"])), headphones=of("headphones", HEADPHONES),
                 frame=sum(row["frame"] >= share for share in FRAMES), cut=sum(row["cut"] >= share for share in CUTS))
    return kinds


def checked(given):
    """Return all traits, {name: float}, with defaults for missing nuisances.

    Raises:
        InputError: a trait is unknown, missing, or out of range.
    """
    for name in given:
        check(name, given[name], name in NAMES, f"one of the traits {', '.join(NAMES)}")
    for name in ATTRIBUTES:
        check(name, None, name in given, "a value")
    traits = {name: DEFAULTS.get(name, 0.0) for name in NUISANCES}
    traits.update(given)
    for name, value in traits.items():
        low, high = -1 if name in SIGNED else 0, KINDS.get(name, 2) - 1
        number = isinstance(value, numbers.Real) and low <= value <= high
        check(name, value, number and (name not in KINDS or value == int(value)),
              f"{'a whole number' if name in KINDS else 'a number'} from {low} to {high}")
    return {name: float(traits[name]) for name in NAMES}


def check(name, value, holds, expected):
    """Raise InputError unless `holds`."""
    if not holds:
        raise InputError(f"{name}: got {' '.join(repr(value).split())}, expected {expected}")
