"""Files of points: faces that other programs have found, and templates that say where points are to be in the crop.

Points are x, y in pixels of the upright photograph, as dlib and most programs give them: the first pixel's centre is
at 0. A template's are shares of the crop's side, from its upper left corner.
"""
from __future__ import annotations

from pathlib import Path

import numpy as np

from tf_idinvert.alignment import quad as quads
from tf_idinvert.alignment.finding import Found
from tf_idinvert.errors import InputError
from tf_idinvert.files import texts

FORMS = "JSON {photograph: points, or a list of them} or CSV photograph,x1,y1,x2,y2,..., of 5 or 68 points a face"


def read(path):
    """Faces of photographs: {file name: [Found]}.

    Raises:
        InputError: missing, damaged, or not of 5 or 68 points a face; one line.
    """
    path = Path(path)
    rows = _of_json(path) if path.suffix.lower() == ".json" else _of_csv(path)
    faces = {}
    for name, points in rows:
        try:
            points = points + 0.5
            five = quads.five(points)
        except InputError as error:
            raise InputError(f"{path}: {name}: {error}") from error
        outline = points[:27] if len(points) == 68 else np.zeros([0, 2])    # jaw and brows
        faces.setdefault(Path(name).name, []).append(Found(five, outline, None, points))
    if not faces:
        raise InputError(f"{path}: names no photograph; expected {FORMS}")
    return faces


def read_template(path):
    """Where points are to be in the crop, `quad.Template`: JSON, a list of 5 or 68 [x, y] in sides of the crop.

    Raises:
        InputError: missing, damaged, or not of 5 or 68 points.
    """
    path = Path(path)
    found = texts.read_json(path, "a template of points")
    points = _points(path, "template", found.get("points") if isinstance(found, dict) else found)
    if len(points) not in (5, 68) or np.abs(points).max() > 10:
        raise InputError(f"{path}: expected 5 or 68 points [x, y] in sides of the crop, got {len(points)}, the largest "
                         f"number {np.abs(points).max():g}")
    return quads.Template(points)


def _of_json(path):
    found = texts.read_json(path, "a file of points")
    if not isinstance(found, dict):
        raise InputError(f"{path}: expected {FORMS}")
    for name, value in found.items():
        several = isinstance(value, list) and value and isinstance(value[0], list) and value[0] \
            and isinstance(value[0][0], list)
        for points in value if several else [value]:
            yield name, _points(path, name, points)


def _of_csv(path):
    for number, row in enumerate(texts.read_table(path, "a file of points"), start=1):
        if len(row) < 2 or number == 1 and not _is_number(row[1]):      # blank, or the header
            continue
        values = row[1:] if row[-1].strip() else row[1:-1]
        if len(values) % 2:
            raise InputError(f"{path}, line {number}: an odd number of coordinates")
        yield row[0].strip(), _points(path, f"line {number}", [values[i:i + 2] for i in range(0, len(values), 2)])


def _is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True


def _points(path, what, given):
    """float64 [K, 2] of lists of numbers; InputError where they are none."""
    try:
        points = np.asarray(given, np.float64)
    except (TypeError, ValueError, OverflowError):
        points = np.zeros(0)
    if points.ndim != 2 or points.shape[1] != 2 or not np.isfinite(points).all() or np.abs(points).max() > 1e7:
        raise InputError(f"{path}: {what}: expected points [x, y], got {str(given)[:60]}")
    return points
