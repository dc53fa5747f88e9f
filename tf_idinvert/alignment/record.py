"""aligned.json: where in which photograph each crop lies, beside the crops or beside what was made of them.

Nothing in it is executed; what it says is checked before it is used, since such files are handed on.
"""
from __future__ import annotations

import dataclasses
import json
import math
import os
from pathlib import Path

import numpy as np

from tf_idinvert.alignment import quad as quads
from tf_idinvert.errors import InputError
from tf_idinvert.files import atomic, digests, results, texts

NAME, FORMAT, VERSION = results.ALIGNED, "aligned photographs", 1
POINTS = 1000           # of a face, at most


@dataclasses.dataclass(frozen=True)
class Face:
    """A crop of a photograph.

    Attributes:
        name: of the crop and of what is made of it, without suffix.
        photograph: path of the photograph.
        digest: SHA-256 of that file.
        size: (width, height) of the photograph, upright.
        number: of the face in it, from 1, the largest first; `of`: how many were taken.
        quad: float64 [4, 2], see `quad`.
        landmarks: [5, 2] or none, see `quad.ffhq`; outline: [K, 2] or none, points around the face; in its pixels.
        confidence: of the detector, 0 to 1; None where the points were given.
        side: of the crop, in pixels.
        orientation: EXIF's, which has been applied.
        domain: 'faces', or the template.
    """

    name: str
    photograph: str
    digest: str
    size: tuple
    number: int
    of: int
    quad: np.ndarray
    landmarks: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros([0, 2]))
    outline: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros([0, 2]))
    confidence: float | None = None
    side: int = 0
    orientation: int = 1
    domain: str = "faces"


@dataclasses.dataclass(frozen=True)
class Edit:
    """A picture made of a crop: its file, the face's name, what tells it from others of that face, and the picture
    before the edit; paths as seen from the record's folder; `before` is None where there is none.
    """

    file: str
    face: str
    variant: str
    before: str | None = None


def path_in(folder):
    """Path of a folder's record, or None where it has none."""
    path = Path(folder) / NAME
    return path if path.is_file() else None


def write(folder, faces, edits=()):
    """Write the record of a folder.

    Raises:
        OSError: it cannot be written.
    """
    atomic.write_text(Path(folder) / NAME, json.dumps({
        "format": FORMAT, "version": VERSION, "faces": [_plain(face) for face in faces],
        "edits": [dataclasses.asdict(edit) for edit in edits]}, indent=1) + "\n")


def _plain(face):
    found = dataclasses.asdict(face)
    for name in ("quad", "landmarks", "outline"):
        found[name] = np.round(np.asarray(found[name], np.float64), 4).tolist()
    return found


def read(path):
    """The faces of a record, {name: Face}, and its edits.

    Args:
        path: of the file, or of its folder.
    Raises:
        InputError: missing, something else, damaged, or with values that no record has; one line.
    """
    path = Path(path)
    path = path / NAME if path.is_dir() else path
    found = texts.read_json(path, "a record of aligned photographs")
    try:
        if not isinstance(found, dict) or found.get("format") != FORMAT:
            raise InputError(f"no record of aligned photographs ('format': '{FORMAT}')")
        if found.get("version") != VERSION:
            raise InputError(f"version {found.get('version')}; this program reads {VERSION}")
        faces = [_face(each) for each in _list(found.get("faces"))]
        return {face.name: face for face in faces}, [_edit(each) for each in _list(found.get("edits", []))]
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise InputError(f"{path}: {error if isinstance(error, InputError) else f'damaged record: {error}'}") from error


def _list(value):
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise InputError("damaged record: expected lists of faces and edits")
    return value


def _face(given):
    size = tuple(int(each) for each in _numbers(given["size"], (2,)))
    quad = _numbers(given["quad"], (4, 2))
    if min(size) < 1:
        raise InputError(f"damaged record: a photograph of {size[0]}x{size[1]}")
    quads.check(quad, size)
    confidence = given["confidence"]
    return Face(_text(given["name"]), _text(given["photograph"]), _text(given["digest"]), size, int(given["number"]),
                int(given["of"]), quad, *(_points(given[name]) for name in ("landmarks", "outline")),
                None if confidence is None else float(_numbers(confidence, ())), int(given["side"]),
                int(given["orientation"]), _text(given["domain"]))


def _points(given):
    if not isinstance(given, list) or len(given) > POINTS:
        raise InputError("damaged record: expected points [x, y]")
    return _numbers(given, (len(given), 2)) if given else np.zeros([0, 2])


def _numbers(given, shape):
    try:
        values = np.asarray(given, np.float64)
    except (TypeError, ValueError, OverflowError):
        values = np.zeros(0)
    if values.shape != shape or not np.isfinite(values).all() or np.abs(values).max(initial=0) > 1e7:
        raise InputError(f"damaged record: expected numbers {list(shape)}, got {str(given)[:60]}")
    return values


def _text(given):
    if not isinstance(given, str) or len(given) > 4096 or "\0" in given:
        raise InputError(f"damaged record: expected text, got {str(given)[:60]}")
    return given


def _edit(given):
    """An edit whose picture lies in the record's folder, under a plain name."""
    edit = Edit(*(_text(given[name]) for name in ("file", "face", "variant")),
                None if given["before"] is None else _text(given["before"]))
    if os.path.basename(edit.file) != edit.file or os.path.basename(edit.variant) != edit.variant:
        raise InputError(f"damaged record: {edit.file!r} and {edit.variant!r} are to be plain names")
    return edit


def carry(listing, folder, edits=()):
    """Write beside results the record of the pictures that they were made of, if those have one in their folder.

    Args:
        listing: {name of a result: path of its picture}.
        folder: of the results.
        edits: function (Face) -> [Edit], or nothing.
    Returns:
        Number of faces in the record; 0: none was written.
    """
    known, faces = {}, []
    for name, path in listing.items():
        path = Path(path)
        if path.parent not in known:
            known[path.parent] = read(path.parent)[0] if path_in(path.parent) else {}
        face = known[path.parent].get(path.stem) or known[path.parent].get(name)
        if face is not None:
            faces.append(dataclasses.replace(face, name=name))
    if faces:
        write(folder, faces, [edit for face in faces for edit in (edits(face) if edits else ())])
    return len(faces)


def photograph_of(face, folders=()):
    """Path of a face's photograph, which must be the very file that was aligned: where the record says, or in folders.

    Raises:
        InputError: it is not there, or it has changed.
    """
    places = [Path(face.photograph), *(Path(folder) / Path(face.photograph).name for folder in folders)]
    there = [place for place in places if place.is_file()]
    if not there:
        raise InputError(f"{face.photograph}: the photograph is not there (--photographs FOLDER says where it is now)")
    for place in there:
        if digests.file_digest(place) == face.digest:
            return place
    raise InputError(f"{there[0]}: is not the photograph that was aligned: it has changed since")


def share(value):
    """A confidence as shown: '97 %', '' for None."""
    return "" if value is None or not math.isfinite(value) else f"{100 * value:.0f} %"
