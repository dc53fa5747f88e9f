"""The wild portraits: a second kind of rendered portraits, in which more varies than the named traits."""
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
