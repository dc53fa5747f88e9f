"""Opens a file from a stranger: whatever is wrong with it ends in one line that begins with the file's path."""

from __future__ import annotations

import contextlib
import os
import stat

from tf_idinvert.errors import InputError
from tf_idinvert.formats.pickle_machine import Refused

MAX_BYTES = 4 << 30       # 236 million parameters, the largest encoder known, take 0.9 GB


class FileError(InputError):
    """A file that cannot be read or written; the message is one line that starts with the file's path."""


@contextlib.contextmanager
def opened(path, kind, max_bytes=MAX_BYTES, error_class=FileError):
    """Yields (binary file, size) of a regular file of at most `max_bytes`.

    Args:
        path: file name.
        kind: what the file should be, for the message, such as 'network pickle'.
        max_bytes: larger files are refused unread.
        error_class: what is raised.
    Raises:
        error_class: for whatever goes wrong here or in the body; a body says its reasons as Refused.
    """
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):    # before opening: opening a pipe would wait for its writer
            raise Refused("is a directory, not a file" if stat.S_ISDIR(status.st_mode) else "is not a regular file")
        if status.st_size > max_bytes:
            raise Refused(f"has {status.st_size} bytes, more than the {max_bytes} allowed")
        with open(path, "rb") as file:
            yield file, status.st_size
        return
    except Refused as error:
        reason = str(error)
    except FileNotFoundError:
        reason = "no such file"
    except OSError as error:
        reason = f"cannot be read: {error.strerror}"
    except MemoryError:
        reason = "needs more memory than there is"
    except Exception as error:      # a damaged file can fail anywhere in the machine; the user gets one line
        reason = f"is damaged, not a readable {kind} ({type(error).__name__})"
    raise error_class(f"{label(path)}: {reason}")


def label(path):
    """The file's path, on one line whatever it holds."""
    name = os.fsdecode(os.fspath(path))
    return name if name.isprintable() else ascii(name)
