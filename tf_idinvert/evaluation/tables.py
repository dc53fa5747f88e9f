"""Tables of results: cells with intervals, as Markdown, and as rows of the HTML page."""
from __future__ import annotations

import dataclasses
import math
import numbers


@dataclasses.dataclass(frozen=True)
class Table:
    """A table.

    A cell is text, a number, None (not measured), or [value, low, high], a number with its 95 % interval; if the
    interval is not known, [value, None, None].
    """

    title: str
    text: str               # description of the measurement
    columns: list
    rows: list


def cell(value):
    """Return the text of a cell."""
    if value is None or isinstance(value, numbers.Real) and not math.isfinite(value):
        return "–"
    if isinstance(value, (list, tuple)):
        middle, low, high = value
        return cell(middle) if low is None else f"{cell(middle)} ({cell(low)} to {cell(high)})"
    if isinstance(value, numbers.Integral):
        return str(int(value))
    return f"{value:.3g}" if isinstance(value, numbers.Real) else str(value)


def markdown(table):
    """Return the table as Markdown, with its title."""
    lines = [f"## {table.title}", "", table.text, "", _line(table.columns), "|" + "---|" * len(table.columns),
             *(_line([cell(value) for value in row]) for row in table.rows)]
    return "\n".join(lines) + "\n"


def _line(cells):
    return "| " + " | ".join(text.replace("|", "\\|").replace("\n", " ") for text in cells) + " |"


def html_rows(table):
    """Return the rows for `report.Section`; plain numbers stay numbers, so that columns can be sorted."""
    return [[value if isinstance(value, numbers.Real) and math.isfinite(value) else cell(value) for value in row]
            for row in table.rows]


def plain(value):
    """Return a value for JSON: NumPy's numbers as Python's, NaN as None, tuples as lists, keys as text."""
    if isinstance(value, dict):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


@dataclasses.dataclass
class Part:
    """Results of a part.

    Attributes:
        numbers: nested dict of numbers, intervals [value, low, high] and lists, for JSON.
        tables: list of Table.
        arrays: {name: array}, for figures.
    """

    numbers: dict
    tables: list
    arrays: dict = dataclasses.field(default_factory=dict)
