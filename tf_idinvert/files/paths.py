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


def require_file(path, expected, error):
    """Raise `error`, a class, with one line unless a regular file is there; `expected`: what it is to be.

    Opening a pipe would wait for its writer.
    """
    path = Path(path)
    if not path.exists():
        raise error(f"{path}: {missing(path, f'no such file, expected {expected}')}")
    if not path.is_file():
        kind = "is a folder, not a file" if path.is_dir() else "not a regular file"
        raise error(f"{path}: {kind}, expected {expected}")
