"""Check the constructor arguments that come from a file, before a network is built with them.

Files come from strangers, and Keras' constructors accept more arguments than these networks need (a `dtype` may even
name a class to import). Therefore only the network's own arguments are allowed, all of them are required, and their
values must be of the kind that the network's entry lists.
"""
from __future__ import annotations

import math

from tf_idinvert.errors import InputError

MOST_NAMES, LONGEST_NAME, MOST_WIDTHS = 1000, 100, 20


def check_names(kinds, config):
    """Raise InputError unless `config` has exactly the arguments that an entry's `kinds` lists."""
    unknown, missing = sorted(set(config) - set(kinds)), [name for name in kinds if name not in config]
    if unknown or missing:
        fault = f"unknown argument {shown(unknown[0])}" if unknown else f"lacks the argument {missing[0]!r}"
        raise InputError(fault)


def check_values(kinds, config):
    """Raise InputError unless every value in `config` is of its kind. `weights.build` compares sizes with the weights.
    """
    for name, value in config.items():
        fits, expected = _judged(kinds[name], value)
        if not fits:
            raise InputError(f"{name} must be {expected}; got {shown(value)}")


def _judged(kind, value):
    """Return (whether the value is of the kind, text that says what was expected)."""
    if isinstance(kind, tuple):
        fits = any(type(value) is type(allowed) and value == allowed for allowed in kind)
        return fits, ", ".join(map(repr, kind[:-1])) + f" or {kind[-1]!r}"
    fits, expected = _KINDS[kind]
    return fits(value), expected


def _is_filter(value):
    return value is None or (isinstance(value, (list, tuple)) and len(value) <= 64 and all(map(_is_number, value))
                             and sum(value) != 0)


def _are_names(value):
    return (isinstance(value, (list, tuple)) and len(value) <= MOST_NAMES
            and all(isinstance(name, str) and 0 < len(name) <= LONGEST_NAME and name.isprintable() for name in value)
            and len(set(value)) == len(value))


def _are_widths(value):
    return isinstance(value, (list, tuple)) and 1 <= len(value) <= MOST_WIDTHS and all(map(_is_size, value))


def _is_size(value, lowest=1):
    return type(value) is int and lowest <= value < 2 ** 31


def _is_number(value):
    return type(value) in (int, float) and abs(value) < 2 ** 63 and math.isfinite(value)


_KINDS = {      # kind: (predicate, what is expected)
    "flag": (lambda value: isinstance(value, bool), "True or False"),
    "size": (_is_size, "a whole number, 1 or more"),
    "count": (lambda value: _is_size(value, 0), "a whole number, 0 or more"),
    "number": (lambda value: _is_number(value) and value >= 0, "a number, 0 or more"),
    "positive": (lambda value: _is_number(value) and value > 0, "a positive number"),
    "optional number": (lambda value: value is None or _is_number(value), "None or a number"),
    "text": (lambda value: isinstance(value, str), "text"),
    "filter": (_is_filter, "None or a list of numbers with a sum"),
    "names": (_are_names, f"a list of at most {MOST_NAMES} different names, of {LONGEST_NAME} characters each"),
    "widths": (_are_widths, f"a list of 1 to {MOST_WIDTHS} whole numbers, 1 or more"),
}


def shown(value):
    """Return a value from a file as short text on one line, for a message."""
    text = ascii(value)
    return text if len(text) <= 60 else text[:57] + "..."
