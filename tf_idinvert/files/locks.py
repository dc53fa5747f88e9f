"""One run at a time in an output folder: a second one is refused, and no run leaves a lock behind.

The workers of one job share a folder, and each has a file in it that it locks besides.

What is locked is the folder itself (flock(2)), so there is no file to be left; the system frees the lock of a process
that ends, however it ends. Where there are no such locks (Windows, some network file systems), nothing is refused.
"""
from __future__ import annotations

import contextlib
import os
from pathlib import Path

from tf_idinvert.errors import InputError

_claimed = {}       # {real path: descriptor}, of this process


def claim(folder, own=None):
    """Make a folder where it is not there yet, and keep other runs from writing to it until `release`.

    Args:
        folder: path.
        own: of one of several workers: name of the file in the folder that no other worker writes to. Other workers may
            claim the folder, too, with other files.
    Raises:
        InputError: another run writes to it, or a file is in its place.
        OSError: the folder cannot be made.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        at = next(each for each in (folder, *folder.parents) if os.path.lexists(each))
        raise InputError(f"{folder}: {'is' if at == folder else f'{at} is'} a file or a link to nothing, expected an "
                         "output folder") from None
    key = os.path.realpath(folder)
    if key in _claimed or os.name != "posix":
        return
    import fcntl  # Windows has none
    _lock(folder, fcntl.LOCK_SH if own else fcntl.LOCK_EX, key)
    if own:
        (folder / own).touch()
        _lock(folder / own, fcntl.LOCK_EX, os.path.join(key, own))


def _lock(path, kind, key):
    import fcntl
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        if isinstance(error, BlockingIOError):
            raise InputError(f"{path}: another run is writing there; wait for its end, or give another folder "
                             "(--output_dir)") from None
        return      # a file system without locks
    _claimed[key] = descriptor


@contextlib.contextmanager
def alone(path):
    """Context manager in which no other worker is in the same block for this existing file; the others wait.

    Raises:
        OSError: there is no such file.
    """
    with open(path, "rb") as file:
        if os.name == "posix":
            import fcntl
            with contextlib.suppress(OSError):      # a file system without locks
                fcntl.flock(file, fcntl.LOCK_EX)
        yield


def release():
    """Let others write to all folders that this process has claimed."""
    while _claimed:
        os.close(_claimed.popitem()[1])
