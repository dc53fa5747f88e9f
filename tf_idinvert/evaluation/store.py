"""Results that wait in a folder, so that a run that was stopped goes on where it was.

An entry is a folder NAME-DIGEST; the digest is that of everything the entry follows from (options, and the SHA-256 of
files), so an entry is never taken for another. Arrays are .npy files that are read from the disk as they are needed:
memory does not grow with the number of pictures. `numbers.json` is written last: without it an entry does not count.
"""
from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from tf_idinvert.files import atomic, digests


class Store:
    """Entries in a folder, which is made where it is not there yet."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)

    def entry(self, name, key, fill):
        """An entry, filled first where it is not there.

        Args:
            name: begins the name of its folder.
            key: what JSON can hold: everything that the entry follows from.
            fill: function, called with the `Entry`, that creates its arrays and returns its numbers, a dict for JSON.
        Returns:
            Entry.
        Raises:
            OSError: the disk is full, or the folder cannot be written; the entry then does not count.
        """
        entry = Entry(self.folder / f"{name}-{digests.digest(key)}")
        if entry.numbers is None:
            entry.path.mkdir(exist_ok=True)
            entry.finish(fill(entry))
        return entry

    def known(self, name, key):
        """The entry, if it is complete; else None."""
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
        except ValueError:      # damaged: made again
            pass

    def create(self, name, shape, dtype=np.float32):
        """An array on the disk to be filled: number in, number written."""
        return np.lib.format.open_memmap(self.path / f"{name}.npy", "w+", dtype, tuple(shape))

    def array(self, name):
        """An array of a complete entry, read from the disk as it is used."""
        return np.load(self.path / f"{name}.npy", mmap_mode="r", allow_pickle=False)

    def arrays(self):
        """{name: array} of all."""
        return {path.stem: self.array(path.stem) for path in sorted(self.path.glob("*.npy"))}

    def finish(self, numbers):
        """Complete the entry."""
        atomic.write_text(self.path / "numbers.json", json.dumps(numbers, indent=1))
        self.numbers = json.loads(json.dumps(numbers))      # as it will be read the next time
