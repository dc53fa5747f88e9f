"""Open a file from a stranger; anything wrong with it becomes an error of one line that begins with the file's path."""

from __future__ import annotations

import contextlib
import os

from tf_idinvert.errors import InputError
from tf_idinvert.files.paths import why_no_file
from tf_idinvert.formats.pickle_machine import Refused

MAX_BYTES = 4 << 30       # the largest known encoder has 236 million parameters, 0.9 GB


class FileError(InputError):
    """A file cannot be read or written; the message is one line and begins with the file's path."""


@contextlib.contextmanager
def opened(path, kind, max_bytes=MAX_BYTES, error_class=FileError):
    """Context manager: open a regular file of at most `max_bytes` and yield (binary file, size).

    Args:
        path: file name.
        kind: what the file should be, for the message, such as 'network pickle'.
        max_bytes: larger files are refused before reading.
        error_class: class of the errors to raise.
    Raises:
        error_class: anything goes wrong, here or in the body of the with statement. The body raises Refused with a
            reason; any other exception in it is reported as damage.
    """
    try:
        why = why_no_file(path, f"a {kind}")
        if why:
            raise Refused(why)
        size = os.path.getsize(path)
        if size > max_bytes:
            raise Refused(f"has {size} bytes, more than the {max_bytes} allowed")
        with open(path, "rb") as file:
            yield file, size
        return
    except Refused as error:
        reason = str(error)
    except OSError as error:
        reason = f"cannot be read: {error.strerror}"
    except MemoryError:
        reason = "needs more memory than there is"
    except Exception as error:      # a damaged file can fail anywhere; the user gets one line
        reason = f"is damaged, not a readable {kind} ({type(error).__name__})"
    raise error_class(f"{label(path)}: {reason}")


def label(path):
    """Return the file's path on one line, with unusual characters escaped."""
    name = os.fsdecode(os.fspath(path))
    return name if name.isprintable() else ascii(name)
