"""SHA-256 of files, of arrays, and of values that JSON can hold."""
from __future__ import annotations

import hashlib
import json

import numpy as np

from tf_idinvert.errors import InputError
from tf_idinvert.files.paths import require_file


def digest(key):
    """The first sixteen hexadecimal digits of the SHA-256 of a value that JSON can hold."""
    return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]


def file_digest(path, expected="a file"):
    """SHA-256 of a file, in hexadecimal; OSError where it cannot be read, InputError where there is none."""
    require_file(path, expected, InputError)
    total = hashlib.sha256()
    with open(path, "rb") as file:
        for part in iter(lambda: file.read(1 << 20), b""):
            total.update(part)
    return total.hexdigest()


def array_digest(array):
    """SHA-256 of an array's values, in hexadecimal."""
    return hashlib.sha256(np.ascontiguousarray(array)).hexdigest()
