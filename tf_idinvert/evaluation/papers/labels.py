"""Read a user's labels of pictures from a CSV table with a line per picture and a column per attribute."""
from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np

from tf_idinvert.errors import InputError
from tf_idinvert.files import texts


def read(path):
    """Read a table of labels: UTF-8, separated by commas.

    The first line has `picture` and the names of the attributes, every other line belongs to a picture. Values are 0
    and 1, or numbers on any scale; an empty cell means unknown.

    Args:
        path: file name.
    Returns:
        {attribute: {picture: float}}; pictures are named by file name with or without suffix, as in the table.
    Raises:
        InputError: the file is missing or no such table, a cell is no number, or a picture occurs twice.
    """
    lines = texts.read_table(path, "a table of labels")
    names = [name.strip() for name in lines[0]] if lines else []
    if len(names) < 2 or names[0] != "picture" or not all(names) or len(set(names)) < len(names):
        raise InputError(f"{path}: expected a first line of 'picture' and different names of attributes; got "
                         f"{','.join(names)[:100]!r}")
    values, seen = {name: {} for name in names[1:]}, set()
    for number, cells in enumerate(lines[1:], 2):
        if any(cell.strip() for cell in cells):
            _add(values, seen, names, [cell.strip() for cell in cells], f"{path}: line {number}")
    return values


def _add(values, seen, names, cells, place):
    """Add one line of the table."""
    if len(cells) != len(names):
        raise InputError(f"{place}: {len(cells)} cells, expected {len(names)}")
    picture = cells[0]
    if not picture or picture in seen:
        raise InputError(f"{place}: {f'picture {picture!r} comes twice' if picture else 'names no picture'}")
    seen.add(picture)
    for name, cell in zip(names[1:], cells[1:]):
        if cell:
            try:
                number = float(cell)
            except ValueError:
                number = math.nan
            if not math.isfinite(number):
                raise InputError(f"{place}: {name} is {cell!r}, expected a number, or nothing where it is not known")
            values[name][picture] = number


def of(labels, files, path):
    """Return the labels of pictures.

    Args:
        labels: result of `read`.
        files: file names of N pictures.
        path: path of the labels, for messages.
    Returns:
        {attribute: float32 [N]}, NaN if unknown; attributes without any label are omitted.
    Raises:
        InputError: no picture has a label.
    """
    found = {}
    for name, values in labels.items():
        column = [values.get(file, values.get(Path(file).stem, math.nan)) for file in files]
        if not all(map(math.isnan, column)):
            found[name] = np.array(column, np.float32)
    if not found:
        raise InputError(f"{path}: labels none of the pictures; the first of these is {files[0]!r}")
    return found


def labelled(originals, labels, path):
    """Return the Originals with the attributes of the labels; `labels` and `path` as in `of`."""
    return dataclasses.replace(originals, attributes=of(labels, originals.files, path), source=Path(path).name)
