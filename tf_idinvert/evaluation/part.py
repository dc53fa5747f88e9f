"""What a part of the evaluation gives: numbers for the claims, arrays for the figures, tables for the reader."""
from __future__ import annotations

import dataclasses


@dataclasses.dataclass
class Part:
    """Results of a part.

    Attributes:
        numbers: nested dict of numbers, intervals [value, low, high] and lists, for JSON.
        tables: list of `tables.Table`.
        arrays: {name: array}, for figures.
    """

    numbers: dict
    tables: list
    arrays: dict = dataclasses.field(default_factory=dict)
