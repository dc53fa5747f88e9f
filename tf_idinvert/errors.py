"""The error that a user can correct: a file, option or array that does not fit."""
from __future__ import annotations

import re


class InputError(ValueError):
    """An input cannot be used: a file, an option, an array. The message is one line: what came and what was expected.

    The tools print this line and exit with status 2. Any other exception is a fault of the program, and they show its
    traceback. Add a subclass only if a caller catches it by name.
    """


def first_line(error):
    """Return the first line of what a library says of an error, without TensorFlow's names of operations and the
    system's numbers; its kind where it says nothing.
    """
    text = re.sub(r"\{\{.*?\}\}|\[Op:\w*\]|\[Errno -?\d+\]", "", str(error))
    return next(filter(None, (" ".join(line.split()) for line in text.splitlines())), type(error).__name__)


def reason(error):
    """Return in one line why a file could not be read or written: an OSError, or an error of TensorFlow's without the
    names of operations and temporary files before it.
    """
    text = getattr(error, "strerror", None) or getattr(error, "message", None) or str(error)
    text = re.sub(r"\{\{.*?\}\}|\[Op:\w*\]", "", " ".join(str(text).split()))
    return text.rpartition("; ")[2].strip()
