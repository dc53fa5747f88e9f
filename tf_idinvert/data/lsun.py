"""A category of LSUN as a source of `packing`: an LMDB database whose values are picture files.

Source: the published StyleGAN's `create_lsun`: all values in the order of their keys, each cropped to its centre and
resized with antialiasing.
"""
from __future__ import annotations

import contextlib
import dataclasses
import functools
import itertools
import os
import tempfile
from pathlib import Path

from tf_idinvert.data.packing import PART, size_and_date
from tf_idinvert.errors import InputError, first_line
from tf_idinvert.files import finding, images
from tf_idinvert.files.paths import missing

DATA = "data.mdb"
INSTALL = "reading LSUN's databases needs lmdb: pip install 'tf_idinvert[lsun]'"


@dataclasses.dataclass(frozen=True)
class Lsun:
    """The first `count` pictures of a database, all where that is None; `path` is the folder with data.mdb."""

    path: str
    resolution: int
    count: int | None = None
    part = PART

    def __post_init__(self):
        for each in _database, _first_keys:     # what they remember may have changed
            each.cache_clear()

    def __len__(self):
        with _one_line(self.path):
            found = _database(self.path).stat()["entries"]
        if not found:
            raise InputError(f"{self.path}: a database without pictures")
        return min(found, self.count or found)

    def description(self):
        """What it is, including size and date of the database, so that a set is not taken up with another."""
        return {"lsun": str(Path(self.path).resolve()), "resolution": self.resolution, "count": len(self),
                "state": list(size_and_date(Path(self.path) / DATA))}

    def label_names(self):
        return None

    def read(self, start, stop):
        """Yield (picture, None) from `start`, a multiple of `part`, to `stop`; for a bad one, a line that says why."""
        with _one_line(self.path), tempfile.TemporaryDirectory() as folder, _database(self.path).begin() as transaction:
            cursor = transaction.cursor()
            cursor.set_key(_first_keys(self.path)[start // self.part])
            for key, value in itertools.islice(cursor, stop - start):
                yield self._picture(Path(folder), key, value), None

    def _picture(self, folder, key, value):
        """The picture of a value, by way of a file: those are read with all checks."""
        name = finding.clean(Path(os.fsdecode(key)))
        file = folder / name
        file.write_bytes(value)
        try:
            return images.fit(images.read(file), self.resolution)[0]
        except InputError as error:
            return str(error).replace(str(file), f"{self.path}: {name}")
        finally:
            file.unlink()


@functools.lru_cache(maxsize=1)
def _database(path):
    """The database, opened; kept open, since every part asks for it."""
    file = Path(path) / DATA
    if not file.is_file():
        raise InputError(f"{path}: {'no ' + DATA + ' in it' if Path(path).is_dir() else missing(path)}; expected the "
                         f"unpacked folder of a category of LSUN, with {DATA}")
    with _one_line(path):
        database = _lmdb().open(str(path), readonly=True, lock=False)
        needed = (database.info()["last_pgno"] + 1) * database.stat()["psize"]
    if file.stat().st_size < needed:        # reading past its end would kill the process
        raise InputError(f"{file}: {file.stat().st_size} bytes of {needed}; incomplete")
    return database


@functools.lru_cache(maxsize=1)
def _first_keys(path):
    """The first key of every part: a database finds keys, not numbers."""
    with _database(path).begin() as transaction:
        return list(itertools.islice(transaction.cursor().iternext(values=False), 0, None, PART))


@contextlib.contextmanager
def _one_line(path):
    """Make one line of what LMDB raises."""
    lmdb = _lmdb()
    try:
        yield
    except lmdb.Error as error:
        raise InputError(f"{path}: no database that can be read: {first_line(error)}") from error


def _lmdb():
    try:
        import lmdb
    except ImportError:
        raise InputError(INSTALL) from None
    return lmdb
