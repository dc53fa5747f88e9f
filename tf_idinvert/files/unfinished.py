"""Record of a long run's finished items on disk, so that the same command continues after any end of the process.

It lies in a hidden folder beside the results: what the run computes (run.json), a line for every finished item
(done.jsonl), and files of equally long rows. The rows of an item are written before its line, so an item whose line is
complete is complete, also after the process was killed.
"""
from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path

import numpy as np

from tf_idinvert.files import atomic

NAME, KEY, LINES = ".unfinished", "run.json", "done.jsonl"


class Unfinished:
    """Record of a run in a folder; `records` are the finished items' dicts, in order.

    Args:
        folder: existing folder of results.
        key: what the run computes, JSON values; a record of another key is deleted.
        valid: callable, dict -> bool; a record with an item that is not valid any more is deleted.
    Raises:
        OSError: the files cannot be written.
    """

    def __init__(self, folder, key, valid=lambda record: True):
        self.folder, self.records, self.files = Path(folder) / NAME, [], {}
        key = json.dumps(key, sort_keys=True, default=str)
        known = self._read(key)
        if not known or not all(map(valid, self.records)):
            self.remove()
            self.records = []
            self.folder.mkdir()
            atomic.write_text(self.folder / KEY, key)
        with open(self.folder / LINES, "ab") as lines:
            lines.truncate(self.end if self.records else 0)         # after the last complete line

    def _read(self, key):
        """Read the records of an earlier run; return whether it had this key."""
        self.end = 0
        try:
            if (self.folder / KEY).read_text(encoding="utf-8") != key:
                return False
            with open(self.folder / LINES, "rb") as lines:
                for line in lines:
                    if not line.endswith(b"\n"):
                        break
                    self.records.append(json.loads(line))
                    self.end += len(line)
        except FileNotFoundError:
            return (self.folder / KEY).is_file()        # it was stopped before the first item
        except (OSError, ValueError):
            return False
        return True

    def __len__(self):
        return len(self.records)

    def append(self, record, rows):
        """Add an item.

        Args:
            record: dict of JSON values.
            rows: {name of a file: (array, number of its row there)}; the arrays of a file have one size and dtype.
        """
        for name, (row, number) in rows.items():
            file = self._file(name)
            file.seek(number * row.nbytes)
            file.write(np.ascontiguousarray(row).tobytes())
            file.flush()
        line = json.dumps(record).encode() + b"\n"
        with open(self.folder / LINES, "ab") as lines:
            lines.write(line)
        self.records.append(record)

    def row(self, name, number, shape, dtype):
        """Return the array of a row."""
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        file = self._file(name)
        file.seek(number * size)
        return np.frombuffer(file.read(size), dtype).reshape(shape)

    def path(self, name):
        """Return the path of a file of rows."""
        return self.folder / name

    def _file(self, name):
        if name not in self.files:
            self.path(name).touch()
            self.files[name] = open(self.path(name), "r+b")         # until `remove` or the end of the process
        return self.files[name]

    def remove(self):
        """Delete the record: the run is complete, or is to start again."""
        for file in self.files.values():
            with contextlib.suppress(OSError):
                file.close()
        self.files = {}
        (self.folder / KEY).unlink(missing_ok=True)     # first: what is left without it does not count
        shutil.rmtree(self.folder, ignore_errors=True)
