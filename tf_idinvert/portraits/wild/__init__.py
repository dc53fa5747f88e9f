"""The wild rendered world: the second edition of the portraits, richer than the numbers that name what it shows."""
from tf_idinvert.portraits.wild.portrait import (
                                                 ATTRIBUTES,
                                                 KINDS,
                                                 NUISANCES,
                                                 RESOLUTIONS,
                                                 SIGNED,
                                                 attributes_of,
                                                 render,
                                                 sample,
)

__all__ = ["ATTRIBUTES", "KINDS", "NUISANCES", "RESOLUTIONS", "SIGNED", "attributes_of", "render", "sample"]
