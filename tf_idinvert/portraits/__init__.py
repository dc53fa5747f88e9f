"""The rendered portraits of the repository, whose attributes are known. This package imports no TensorFlow."""
from tf_idinvert.portraits.portrait import ATTRIBUTES, NUISANCES, RESOLUTIONS, SIGNED, render, sample

__all__ = ["ATTRIBUTES", "NUISANCES", "RESOLUTIONS", "SIGNED", "render", "sample"]
