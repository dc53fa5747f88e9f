"""What to say of a path where no file is: existence comes before all other checks of a file, then its kind."""
from __future__ import annotations

import os
import re
from pathlib import Path

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")      # two letters at least: C:/ is a path on Windows


def is_address(text):
    """Whether this is an address such as https://host/picture.png, also where Path has folded its slashes."""
    return bool(_ADDRESS.match(os.fspath(text)))


def missing(path, expected="no such file or folder"):
    """Why nothing is at a path: an address, a link to nothing, a file in the place of a folder, or `expected`."""
    if is_address(path):
        return "is an address, expected a path: download the file first"
    if os.path.islink(path):
        return f"is a link to {os.readlink(path)}, which is not there"
    for parent in Path(path).parents:
        if os.path.lexists(parent):
            return expected if parent.is_dir() else f"{expected}: {parent} is a file, not a folder"
    return expected


def why_no_file(path, expected):
    """Why no regular file is at a path, '' where one is; `expected`: what it is to be.

    Opening a pipe would wait for its writer.
    """
    if not os.path.exists(path):
        return missing(path, f"no such file, expected {expected}")
    if not os.path.isfile(path):
        return f"{'is a folder, not a file' if os.path.isdir(path) else 'not a regular file'}, expected {expected}"
    return ""


def require_file(path, expected, error):
    """Raise `error`, a class, with one line that begins with the path unless a regular file is there."""
    reason = why_no_file(path, expected)
    if reason:
        raise error(f"{path}: {reason}")


def make_folder_of(path):
    """Make the folder in which a file is to be written, with those above it; OSError where that cannot be."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
