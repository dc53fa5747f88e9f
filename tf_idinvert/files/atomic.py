"""Atomic writes: a file is replaced whole or not at all, so an interrupted run leaves the last good one."""
from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from pathlib import Path

_FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}


def write_text(path, text):
    """Write a text file, UTF-8; see `replacing`."""
    with replacing(path) as temporary:
        Path(temporary).write_text(text, encoding="utf-8")


@contextlib.contextmanager
def replacing(path, mend=None):
    """Yield the path of a new empty file beside `path`; it takes `path`'s place when the block ends without an error.

    Args:
        path: the file to be written.
        mend: None, or a function that is called with the new file's path where the block ends early, and says whether
            it has made of it a file that is worth its place.
    Raises:
        OSError: the folder does not exist or cannot be written; nothing is left behind.
    """
    path = Path(path)
    temporary = None
    try:
        try:
            handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=path.suffix, dir=path.parent)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(path)) from error
        os.close(handle)
        with naming(path, unnamed=temporary):
            yield temporary
        _place(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):        # it may be in its place already
            if mend is not None and mend(temporary):
                _place(temporary, path)
            elif temporary is not None:
                os.unlink(temporary)
        raise


@contextlib.contextmanager
def naming(path, unnamed=None):
    """Name `path` in errors of a full disk in the block, which come without a file, or with the name `unnamed`."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL and error.filename in (None, unnamed):
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def _place(temporary, path):
    mask = os.umask(0)
    os.umask(mask)
    os.chmod(temporary, 0o666 & ~mask)      # mkstemp makes private files; results are ordinary ones
    os.replace(temporary, path)
