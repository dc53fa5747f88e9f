"""Constructor arguments that come from a file: which there must be, and of what kind, before anything is built of them.

Files come from strangers, and Keras' constructors take more than ours need (a `dtype` may even name a class to import),
so exactly the networks' own arguments pass, with values that a network can be built of.
"""
from __future__ import annotations

import inspect
import math

from tf_idinvert.errors import InputError

FLAGS = ("use_noise", "normalize_latents", "layerwise", "batch_norm")
OPTIONAL_NUMBERS = ("truncation_psi", "truncation_cutoff")
NUMBERS = ("fmap_decay", "dlatent_avg_beta", "style_mixing_prob", "lod")
POSITIVE_NUMBERS = ("fmap_base", "mapping_lrmul")
POSSIBLY_ZERO = ("label_size", "mbstd_group_size")
NAMES = ("names", "binary")
MOST_NAMES, LONGEST_NAME, MOST_WIDTHS = 1000, 100, 20



def check_names(network_class, config):
    """InputError unless `config` has exactly the arguments of the network's constructor."""
    own = [name for name, parameter in inspect.signature(network_class).parameters.items()
           if parameter.kind is not inspect.Parameter.VAR_KEYWORD]
    unknown, missing = sorted(set(config) - set(own)), [name for name in own if name not in config]
    if unknown or missing:
        fault = f"unknown argument {shown(unknown[0])}" if unknown else f"lacks the argument {missing[0]!r}"
        raise InputError(fault)


def check_values(config):
    """InputError unless every argument in `config` is of its kind; whether sizes are true, weights must tell."""
    for name, value in config.items():
        fits, expected = _judged(name, value)
        if not fits:
            raise InputError(f"{name} must be {expected}; got {shown(value)}")


def _judged(name, value):
    """(whether the value fits, what was expected)"""
    if name in FLAGS:
        return isinstance(value, bool), "True or False"
    if name == "fused_scale":
        return isinstance(value, bool) or value == "auto", "'auto', True or False"
    if name in ("generation", "design"):
        return isinstance(value, str), "text"
    if name == "blur_filter":
        fits = isinstance(value, (list, tuple)) and len(value) <= 64 and all(map(_is_number, value)) and sum(value) != 0
        return value is None or fits, "None or a list of numbers with a sum"
    if name in NAMES:
        return _are_names(value), f"a list of at most {MOST_NAMES} different names, of {LONGEST_NAME} characters each"
    if name == "widths":
        fits = isinstance(value, (list, tuple)) and 1 <= len(value) <= MOST_WIDTHS and all(map(_is_size, value))
        return fits, f"a list of 1 to {MOST_WIDTHS} whole numbers, 1 or more"
    if name in OPTIONAL_NUMBERS:
        return value is None or _is_number(value), "None or a number"
    if name in NUMBERS:
        return _is_number(value) and value >= 0, "a number, 0 or more"
    if name in POSITIVE_NUMBERS:
        return _is_number(value) and value > 0, "a positive number"
    lowest = 0 if name in POSSIBLY_ZERO else 1
    return _is_size(value, lowest), f"a whole number, {lowest} or more"


def _are_names(value):
    return (isinstance(value, (list, tuple)) and len(value) <= MOST_NAMES
            and all(isinstance(name, str) and 0 < len(name) <= LONGEST_NAME and name.isprintable() for name in value)
            and len(set(value)) == len(value))


def _is_size(value, lowest=1):
    return type(value) is int and lowest <= value < 2 ** 31


def _is_number(value):
    return type(value) in (int, float) and abs(value) < 2 ** 63 and math.isfinite(value)


def shown(value):
    """A value from a file for a message: short, on one line."""
    text = ascii(value)
    return text if len(text) <= 60 else text[:57] + "..."
