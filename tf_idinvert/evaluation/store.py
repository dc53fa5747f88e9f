"""Store for results in a folder, from which an interrupted run resumes.

An entry is a folder NAME-DIGEST. The digest is that of everything that determines the entry (options, and the SHA-256
of files), so entries cannot be confused. Arrays are memory-mapped .npy files, so memory does not grow with the number
of pictures. `numbers.json` is written last; an entry without it is incomplete and ignored.
"""
from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from tf_idinvert.files import arrays as npy
from tf_idinvert.files import atomic, digests, locks

NOTE = "progress.json"
LOCK = "lock"           # an empty file that a process locks while it fills the entry


class Store:
    """Entries in a folder, which is created if necessary."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)

    def entry(self, name, key, fill):
        """Return an entry; fill it first if it does not exist. Another process that wants it meanwhile waits.

        Args:
            name: first part of the folder's name.
            key: JSON value with everything that determines the entry.
            fill: function of the `Entry` that creates its arrays and returns its numbers, a dict for JSON.
        Returns:
            Entry.
        Raises:
            OSError: the disk is full, or the folder cannot be written; the entry then stays incomplete.
        """
        entry = Entry(self.folder / f"{name}-{digests.digest(key)}")
        if entry.numbers is None:
            entry.path.mkdir(exist_ok=True)
            (entry.path / LOCK).touch()
            with locks.alone(entry.path / LOCK):
                entry = Entry(entry.path)       # again: another process may have filled it
                if entry.numbers is None:
                    entry.finish(fill(entry))
        return entry

    def known(self, name, key):
        """Return the entry if it is complete, else None."""
        entry = Entry(self.folder / f"{name}-{digests.digest(key)}")
        return None if entry.numbers is None else entry


class Entry:
    """A folder of arrays, and `numbers`, None until it is complete."""

    def __init__(self, path):
        self.path, self.numbers = Path(path), None
        try:
            self.numbers = json.loads((self.path / "numbers.json").read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            pass
        except ValueError:      # damaged: compute it again
            pass

    def create(self, name, shape, dtype=np.float32):
        """Create a memory-mapped array; assigning to it writes to the file."""
        return npy.create(self.path / f"{name}.npy", shape, dtype)

    def resume(self, shapes):
        """Open the arrays that an interrupted run left, or create them.

        Args:
            shapes: {name: (shape, dtype)}.
        Returns:
            ([array], what `note` wrote last); None for the latter if the arrays are new.
        """
        try:
            found = [np.load(self.path / f"{name}.npy", mmap_mode="r+", allow_pickle=False) for name in shapes]
            noted = json.loads((self.path / NOTE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            found = noted = None
        if noted is None or [(each.shape, each.dtype) for each in found] != [
                (tuple(shape), np.dtype(dtype)) for shape, dtype in shapes.values()]:
            return [self.create(name, *each) for name, each in shapes.items()], None
        return found, noted

    def note(self, value):
        """Write how far the arrays are filled, a JSON value, for `resume`."""
        atomic.write_text(self.path / NOTE, json.dumps(value))

    def array(self, name):
        """Return an array of a complete entry, memory-mapped."""
        return npy.mapped(self.path / f"{name}.npy")

    def arrays(self):
        """Return {name: array} of all arrays."""
        return {path.stem: self.array(path.stem) for path in sorted(self.path.glob("*.npy"))}

    def finish(self, numbers):
        """Complete the entry."""
        atomic.write_text(self.path / "numbers.json", json.dumps(numbers, indent=1))
        self.numbers = json.loads(json.dumps(numbers))      # the same values as read from the file later
