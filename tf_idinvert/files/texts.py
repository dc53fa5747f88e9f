"""The door for small files that others wrote: lists, tables, records; first comes existence, then kind, then size."""
from __future__ import annotations

import csv
import json
from pathlib import Path

from tf_idinvert.errors import InputError
from tf_idinvert.files.paths import require_file

LARGEST = 64 << 20      # bytes: a table of a million pictures is smaller


def read_bytes(path, expected, largest=LARGEST):
    """Bytes of a file.

    Args:
        path: of the file.
        expected: what it is to be, for messages.
        largest: bytes that such a file has at most.
    Raises:
        InputError: missing, no regular file, too large, or not to be read; one line that begins with the path.
    """
    path = Path(path)
    try:
        require_file(path, expected, InputError)
        if path.stat().st_size > largest:
            raise InputError(f"{path}: {path.stat().st_size} bytes, expected {expected} of at most {largest}")
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error


def read_text(path, expected, largest=LARGEST):
    """Text of a file in UTF-8, with or without a byte order mark; raises as `read_bytes`, and where it is no text."""
    try:
        return read_bytes(path, expected, largest).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{path}: not in UTF-8, expected {expected}") from None


def read_json(path, expected, largest=LARGEST):
    """The value in a JSON file; raises as `read_text`, and where it is no JSON."""
    try:
        return json.loads(read_text(path, expected, largest))
    except InputError:
        raise
    except (ValueError, RecursionError) as error:       # ValueError: also a number of thousands of digits
        reason = "nested too deeply" if isinstance(error, RecursionError) else error
        raise InputError(f"{path}: damaged, no JSON ({reason}); expected {expected}") from None


def read_table(path, expected, largest=LARGEST):
    """The lines of a CSV file, each a list of cells; raises as `read_text`, and where it is no CSV."""
    try:
        return list(csv.reader(read_text(path, expected, largest).splitlines(keepends=True)))
    except csv.Error as error:
        raise InputError(f"{path}: not a CSV file, expected {expected} ({error})") from None
