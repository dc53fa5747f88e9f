"""One run at a time in an output folder: a second one is refused, and no run leaves a lock behind.

What is locked is the folder itself (flock(2)), so there is no file to be left; the system frees the lock of a process
that ends, however it ends. Where there are no such locks (Windows, some network file systems), nothing is refused.
"""
from __future__ import annotations

import os
from pathlib import Path

from tf_idinvert.errors import InputError

_claimed = {}       # {real path: descriptor}, of this process


def claim(folder):
    """Make a folder where it is not there yet, and keep other runs from writing to it until `release`.

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
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        if isinstance(error, BlockingIOError):
            raise InputError(f"{folder}: another run is writing there; wait for its end, or give another folder "
                             "(--output_dir)") from None
        return      # a file system without locks
    _claimed[key] = descriptor


def release():
    """Let others write to all folders that this process has claimed."""
    while _claimed:
        os.close(_claimed.popitem()[1])
