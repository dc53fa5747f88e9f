"""The wild rendered world: the second edition of the portraits, richer than the numbers that name what it shows."""
from tf_idinvert.portraits.wild.portrait import (ATTRIBUTES, attributes_of, KINDS, NUISANCES, render, RESOLUTIONS,
                                                 sample, SIGNED)

__all__ = ["ATTRIBUTES", "KINDS", "NUISANCES", "RESOLUTIONS", "SIGNED", "attributes_of", "render", "sample"]
