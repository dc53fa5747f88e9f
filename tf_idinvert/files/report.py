"""One self-contained HTML page of results: tables of pictures, names and numbers, as every tool writes it.

The page holds its pictures as data URIs and asks nothing of the network, so it can be mailed or archived as one
file. The original tools (Zhu et al. 2020) write such tables too; here whatever comes from a file name is escaped.
The look is in `report.html.j2`, beside this module.
"""

from __future__ import annotations

import base64
import io
import math
import numbers
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import jinja2
import numpy as np
from PIL import Image

from tf_idinvert.errors import InputError
from tf_idinvert.files import atomic, images
from tf_idinvert.files.printing import printable

_SMALL = 96     # up to this side pictures are stored exactly (PNG): JPEG would save nothing and show its blocks
_VISIBLE = 160  # smaller pictures are shown enlarged, by whole factors, up to this side
_JPEG = {"quality": 92, "subsampling": 0}  # full colour resolution: people compare these pictures



@dataclass(frozen=True)
class Picture:
    """A cell with a picture.

    Args:
        pixels: float [H, W, 3] in [-1, 1], or uint8 [H, W, 3]; RGB.
        caption: text below it.
        href: file that a click opens: its path as seen from the page's folder, with '/', not percent-encoded.
    """

    pixels: np.ndarray
    caption: str = ""
    href: str = ""


@dataclass(frozen=True)
class Section:
    """A table of a page.

    Args:
        headers: list of str, one a column; the first column names the row.
        rows: iterable of rows, each a list of as many cells as headers: str, number, None (empty) or `Picture`. Read
            once, one row in memory at a time: a generator of rows keeps a page of thousands of pictures cheap.
        title: heading of the table; none if empty.
        text: a paragraph above the table.
    """

    headers: list
    rows: Iterable
    title: str = ""
    text: str = ""


def write(path, title, headers, rows, *, summary=None, notes=(), viz_size=256):
    """Writes a page of one table; `headers` and `rows` as in `Section`, the rest as in `write_sections`."""
    write_sections(path, title, [Section(headers, rows)], summary=summary, notes=notes, viz_size=viz_size)


def write_sections(path, title, sections, *, summary=None, notes=(), viz_size=256):
    """Writes the page; it appears whole or not at all, and an older one stays if writing fails.

    Args:
        path: HTML file to write, in an existing folder.
        title: heading of the page.
        sections: list of Section, the tables in their order.
        summary: dict of label -> str or number, shown above the tables.
        notes: str each, shown above the tables: what was skipped, cropped, ...
        viz_size: longest side, in pixels, at which pictures are stored and shown; 0 leaves them as they are.
    Raises:
        InputError: a row of another length, a cell of another kind, or a file that cannot be written.
    """
    path = Path(path)
    if viz_size < 0:
        raise InputError(f"{path}: expected a viz_size of at least 0, got {viz_size}")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
        finalize=lambda value: printable(value) if isinstance(value, str) else value)
    page = environment.get_template("report.html.j2").generate(
        title=title, sections=({"title": each.title, "text": each.text, "headers": list(each.headers),
                                "rows": _cells(path, list(each.headers), each.rows, viz_size)} for each in sections),
        summary={label: _text(value) for label, value in (summary or {}).items()}, notes=list(notes))
    try:
        with atomic.replacing(path) as temporary, open(temporary, "w", encoding="utf-8", errors="replace") as file:
            file.writelines(page)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror or error}") from error


def _cells(path, headers, rows, viz_size):
    """Rows of values -> rows of dicts that the template shows, one row at a time."""
    for i, row in enumerate(rows, start=1):
        row = list(row)
        if len(row) != len(headers):
            raise InputError(f"{path}: row {i}: expected {len(headers)} cells ({', '.join(headers)}), got {len(row)}")
        name = row[0] if row and isinstance(row[0], str) else f"row {i}"
        try:
            yield [_cell(value, f"{header}, {name}", viz_size) for header, value in zip(headers, row)]
        except InputError as error:
            raise InputError(f"{path}: row {i} ({name}): {error}") from error


def _cell(value, alt, viz_size):
    """One value -> what the template shows: 'kind' and the fields of that kind."""
    if isinstance(value, Picture):
        return dict(_picture(value.pixels, viz_size), kind="picture", alt=alt, caption=value.caption,
                    href=quote(os.fsencode(value.href)))  # the colon too, so that no name becomes a javascript: link
    if value is None:
        return {"kind": "text", "text": ""}
    if isinstance(value, str):
        return {"kind": "text", "text": value}
    if isinstance(value, numbers.Real):
        return {"kind": "number", "text": _text(value), "value": float(value)}
    raise InputError(f"expected cells of str, number, None or Picture, got {type(value).__name__}")


def _text(value):
    """Number -> short text: integers whole, others with four digits; anything else unchanged."""
    if isinstance(value, numbers.Real) and not isinstance(value, numbers.Integral):
        return format(float(value), ".4g")
    return str(value)


def _picture(pixels, viz_size):
    """Pixels -> data URI ('uri') and the size in CSS pixels at which it is shown ('width', 'height')."""
    pixels = images.to_uint8(pixels)
    if pixels.ndim != 3 or pixels.shape[2] != 3 or 0 in pixels.shape:
        raise InputError(f"expected a picture [H, W, 3], got {list(pixels.shape)}")
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    side = max(picture.size)
    if viz_size and side > viz_size:
        width, height = (max(1, round(length * viz_size / side)) for length in picture.size)
        picture, side = picture.resize((width, height), Image.Resampling.LANCZOS), viz_size
    kind, options = ("PNG", {}) if side <= _SMALL else ("JPEG", _JPEG)
    file = io.BytesIO()
    picture.save(file, kind, **options)
    factor = max(1, min(_VISIBLE, viz_size or math.inf) // side)
    return {"uri": f"data:image/{kind.lower()};base64,{base64.b64encode(file.getvalue()).decode('ascii')}",
            "width": int(picture.width * factor), "height": int(picture.height * factor)}
