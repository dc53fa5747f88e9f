"""The rendered world of the repository: portraits of known attributes. No TensorFlow."""
from tf_idinvert.portraits.portrait import ATTRIBUTES, NUISANCES, RESOLUTIONS, SIGNED, render, sample

__all__ = ["ATTRIBUTES", "NUISANCES", "RESOLUTIONS", "SIGNED", "render", "sample"]
