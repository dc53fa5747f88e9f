"""The one kind of error that is a user's business: something given does not fit."""
from __future__ import annotations


class InputError(ValueError):
    """What was given cannot be used: a file, an option, an array. One line: what came, what was expected.

    The tools print it as that line and exit with 2. Any other exception is a fault of the program and shows its
    traceback. A subclass exists only where a caller catches it by name.
    """
