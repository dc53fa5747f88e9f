"""The picture files that a path means: one picture, those of a folder, or those that a text list names.

Nothing that a person would take for a picture is passed over in silence: it is among the paths, for its reader to say
what is wrong, or a note says what was left out. The list format (one path a line) is that of the original `invert.py`
(Zhu et al. 2020, In-Domain GAN Inversion).
"""
from __future__ import annotations

import functools
import logging
import os
import re
import unicodedata
from pathlib import Path

from tf_idinvert.files import decoding, results
from tf_idinvert.files.decoding import FORMAT_NAMES, ImageError, one_line
from tf_idinvert.files.paths import is_address, missing, require_file

log = logging.getLogger(__name__)

_NAME_BYTES = 100  # leaves room, in the 255 bytes of a file name, for NAME_TO_NAME_inverted_codes.npy
LIST_BYTES = 64 * 2 ** 20  # a text list larger than this is a mistake
_NETWORK, _VIDEO, _ARCHIVE = "a network file", "a video, extract its frames first", "an archive, unpack it first"
_KNOWN = {      # what else people have; by suffix
    ".tfrecords": "a set of TFRecords, which `dataset.py extract` unpacks", ".npy": "an array", ".npz": "arrays",
    **dict.fromkeys([".pkl", ".pickle", ".h5", ".hdf5", ".keras", ".pth", ".pt", ".ckpt", ".onnx", ".safetensors"],
                    _NETWORK),
    **dict.fromkeys([".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".wmv", ".mpg", ".mpeg"], _VIDEO),
    **dict.fromkeys([".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar"], _ARCHIVE),
    ".pdf": "a document", ".json": "a file of JSON", ".jsonl": "a log", ".html": "a page",
}


def listing(inputs):
    """Finds the pictures that a user names, and a name for the results of each.

    A folder gives the pictures directly in it, hidden ones left out, `2.png` before `10.png`; links that lead nowhere
    and pictures of kinds that are not read are among them. Results of an earlier run are left out where there is
    anything else. A text list has one path a line; blank lines and those that begin with # are skipped, quotes around a
    path are dropped, and a relative path is looked up from the current folder, then from the list's. A file that a list
    names and that is missing is still returned, so that the other pictures need not wait for it.

    Args:
        inputs: paths, each of a picture, a folder, or a text list (UTF-8).
    Returns:
        List of (name, path). Names are file names without suffix, fit for any file system, and unique even where
        capitals do not count: cat, cat_2, ... What cannot be read is among them: `read` says why.
    Raises:
        ImageError: an input that is missing or none of the three, or no picture in all of them.
    """
    paths = [path for given in inputs for path in _pictures(given)]
    if not paths:
        raise ImageError("no pictures given, expected pictures, folders or text lists")
    return list(zip(unique([clean(path) for path in paths]), paths))


def _pictures(given):
    """One input -> list of paths."""
    path = _home(given)
    if not os.path.lexists(path) or not os.path.exists(path):
        raise ImageError(f"{given}: {missing(given if is_address(given) else path)}")
    if path.is_dir():
        return _in_folder(path)
    if is_picture(path):
        return [path]
    if path.suffix.lower() in _KNOWN:
        raise ImageError(f"{path}: {_KNOWN[path.suffix.lower()]}; expected a picture ({FORMAT_NAMES}), a "
                         "folder or a text list")
    return _in_list(path)


def is_picture(path):
    """Whether a person would take a file for a picture, by its suffix or by its first bytes."""
    suffix = path.suffix.lower()
    return suffix in decoding.FORMATS or suffix in decoding.UNREAD or decoding.looks_like_picture(path)


def _in_folder(folder):
    """Pictures directly in a folder, numbers in their names ordered as numbers."""
    def natural(path):
        parts = re.split("([0-9]+)", path.name.casefold())  # text and digits in turn
        return [int(part) if i % 2 else part for i, part in enumerate(parts)], path.name

    try:
        inside = sorted((path for path in folder.iterdir() if not path.name.startswith(".")), key=natural)
    except OSError as error:
        raise ImageError(f"{folder}: cannot be read: {one_line(error.strerror)}") from error
    folders = [path for path in inside if path.is_dir()]
    no_files = {path.name for path in folders}      # names: a path that was hashed keeps the parts that it compares by
    found = [path for path in inside if path.name not in no_files and is_picture(path)]
    below = f"{len(folders)} sub folder{'s' * (len(folders) > 1)} ({_some(folders)}), not looked into"
    if not found:
        raise ImageError(f"{folder}: no pictures in this folder, expected files in {FORMAT_NAMES}"
                         + (f"; it has {below}" if folders else ""))
    made = results.made_in(folder, [path.name for path in found])
    own = [path for path in found if path.name in made]
    kept = [path for path in found if path.name not in made] or _originals(own)
    if len(kept) < len(found):
        chosen = set(kept)
        _note(f"{folder}: {len(found) - len(kept)} of {len(found)} pictures left out, results of an earlier run "
              f"({_some([path for path in own if path not in chosen])}); to take one, name its file")
    if folders:
        _note(f"{folder}: {below}")
    return kept


def _originals(made):
    """Of results with nothing else beside them: the pictures they were made from, else what was made."""
    for kind in "ori", "inv":
        found = [path for path in made if path.stem.endswith(f"_{kind}")]
        if found:
            return found
    return made


def _some(paths):
    """Names of the first few."""
    return ", ".join(path.name for path in paths[:3]) + ", ..." * (len(paths) > 3)


@functools.lru_cache(maxsize=None)
def _note(line):
    """Log a line for the user, once: several parts of a run list the same folder."""
    log.warning("%s", line)


def _in_list(path):
    """Paths named by a text list."""
    require_file(path, "a picture, a folder or a text list", ImageError)
    if path.stat().st_size > LIST_BYTES:
        raise ImageError(f"{path}: {path.stat().st_size} bytes, expected a text list of at most {LIST_BYTES}")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    except OSError as error:
        raise ImageError(f"{path}: cannot be read: {one_line(error.strerror)}") from error
    if "\0" in text:
        raise ImageError(f"{path}: neither a picture ({FORMAT_NAMES}) nor a text list in UTF-8")
    lines = [line.strip() for line in text.split("\n")]  # strip takes the \r of Windows too
    found = [_resolve(line, path.parent) for line in lines if line and not line.startswith("#")]
    if not found:
        raise ImageError(f"{path}: a list without pictures, expected one path a line")
    return found


def _resolve(line, folder):
    """One line of a list -> path."""
    if len(line) > 2 and line[0] == line[-1] and line[0] in "\"'":
        line = line[1:-1]
    path = _home(line)
    if not os.path.exists(path) and os.path.exists(folder / path):
        return folder / path
    return path


def _home(path):
    """Path with a leading ~ expanded where that user exists."""
    path = Path(path)
    try:
        return path.expanduser()
    except RuntimeError:
        return path


def clean(path):
    """A result name for a path: its base name without suffix, legal on Linux, macOS and Windows, not too long."""
    name = unicodedata.normalize("NFC", path.stem.encode("utf-8", "replace").decode("utf-8"))
    name = re.sub(r'[<>:"/\\|?*\x00-\x1f\x7f]', "_", name)
    name = name.encode("utf-8")[:_NAME_BYTES].decode("utf-8", "ignore").strip(". ")
    return name or "image"


def unique(names):
    """The same names, repeated ones numbered from 2; a picture whose own name is cat_2 keeps it."""
    taken = {name.casefold() for name in names}
    seen, numbers, unique = set(), {}, []
    for name in names:
        key, candidate = name.casefold(), name
        if key in seen:
            number = numbers.get(key, 2)
            while f"{key}_{number}" in taken:
                number += 1
            candidate, numbers[key] = f"{name}_{number}", number + 1
            taken.add(candidate.casefold())
        seen.add(key)
        unique.append(candidate)
    return unique
