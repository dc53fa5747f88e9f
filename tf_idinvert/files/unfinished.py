"""Record of a long run's finished items on disk, so that the same command continues after any end of the process.

It lies in a hidden folder beside the results: what the run computes (run.json), a line for every finished item
(done.jsonl), and files of equally long rows. The rows of an item are written before its line, so an item whose line is
complete is complete, also after the process was killed.

Several workers have a folder each. One that is through its share says so (complete.json), and the last one makes
the results of all of them.
"""
from __future__ import annotations

import contextlib
import json
import os
import shutil
from pathlib import Path

import numpy as np

from tf_idinvert.errors import InputError
from tf_idinvert.files import atomic, locks
from tf_idinvert.files.digests import file_digest
from tf_idinvert.files.workers import Worker

NAME, KEY, LINES, COMPLETE = ".unfinished", "run.json", "done.jsonl", "complete.json"
STATE = "file"      # of an item: `file_state` of what it was made from


class Part:
    """The record of a worker.

    Attributes:
        folder: Path of the record.
        records: the finished items' dicts, in order.
        notes: what the worker notes about its share; None until it is through.
    """

    def __init__(self, folder, worker=Worker()):
        several = f"-{worker.index}-of-{worker.count}" if worker.count > 1 else ""
        self.folder, self.records, self.notes, self.files, self.end = Path(folder) / (NAME + several), [], None, {}, 0

    def read(self, key):
        """Read what is recorded; return whether it is of a run with this key, a text."""
        try:
            if (self.folder / KEY).read_text(encoding="utf-8") != key:
                return False
            with open(self.folder / LINES, "rb") as lines:
                for line in lines:
                    if not line.endswith(b"\n"):
                        break
                    self.records.append(json.loads(line))
                    self.end += len(line)
            if (self.folder / COMPLETE).is_file():
                self.notes = json.loads((self.folder / COMPLETE).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return (self.folder / KEY).is_file()        # it was stopped before the first item
        except (OSError, ValueError):
            return False
        return True

    def __len__(self):
        return len(self.records)

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
        """Delete the record."""
        for file in self.files.values():
            with contextlib.suppress(OSError):
                file.close()
        self.files = {}
        (self.folder / KEY).unlink(missing_ok=True)     # first: what is left without it does not count
        shutil.rmtree(self.folder, ignore_errors=True)


class Unfinished(Part):
    """The record of this worker, to which it adds items.

    Args:
        folder: existing folder of results.
        key: what the run computes, JSON values; a record of another key is deleted.
        valid: callable, dict -> bool; a record with an item that is not valid any more is deleted. An item's 'file' is
            for this function alone: it is not kept in memory.
        worker: Worker, this one.
    Raises:
        OSError: the files cannot be written.
    """

    def __init__(self, folder, key, valid=lambda record: True, worker=Worker()):
        super().__init__(folder, worker)
        self.results, self.worker, self.key = Path(folder), worker, json.dumps(key, sort_keys=True, default=str)
        if not self.read(self.key) or not all(map(valid, self.records)):
            self.remove()
            self.records = []
            self.folder.mkdir()
            atomic.write_text(self.folder / KEY, self.key)
        for record in self.records:
            record.pop(STATE, None)
        (self.folder / COMPLETE).unlink(missing_ok=True)
        self.notes = None
        with open(self.folder / LINES, "ab") as lines:
            lines.truncate(self.end if self.records else 0)         # after the last complete line

    def append(self, record, rows):
        """Add an item.

        Args:
            record: dict of JSON values.
            rows: {name of a file: (array, number of its row there)}; the arrays of a file have one size and dtype.
        """
        for name, (row, number) in rows.items():
            file = self._file(name)
            with atomic.naming(self.path(name)):
                file.seek(number * row.nbytes)
                file.write(np.ascontiguousarray(row).tobytes())
                file.flush()
        line = json.dumps(record).encode() + b"\n"
        with atomic.naming(self.folder / LINES), open(self.folder / LINES, "ab") as lines:
            lines.write(line)
        self.records.append({name: value for name, value in record.items() if name != STATE})

    def complete(self, notes):
        """Record that this worker is through its share, and its notes."""
        self.notes = list(notes)
        atomic.write_text(self.folder / COMPLETE, json.dumps(self.notes))

    @contextlib.contextmanager
    def parts(self):
        """Context manager for the records of all workers, in order, to make results of them; no other worker does so
        at the same time. It is empty if a worker has not finished, or another one has made the results.
        """
        if self.worker.count == 1:
            yield [self]
            return
        first = Part(self.results, self.worker.all()[0])
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(locks.alone(first.folder / KEY))
            except FileNotFoundError:
                yield []
                return
            parts = [self if worker == self.worker else Part(self.results, worker) for worker in self.worker.all()]
            read = [part is self or part.read(self.key) for part in parts]
            yield parts if all(read) and all(part.notes is not None for part in parts) and self.folder.is_dir() else []

    def remove_all(self):
        """Delete the records of all workers: the run is complete."""
        self.remove()
        for worker in self.worker.all():
            Part(self.results, worker).remove()


def file_state(path):
    """Return [size, time of the last change, SHA-256] of a file, for `unchanged`."""
    status = os.stat(path)
    return [status.st_size, status.st_mtime_ns, file_digest(path)]


def unchanged(path, state):
    """Return whether a file is as it was; one that was written again with the same content is, too."""
    try:
        status = os.stat(path)
        return [status.st_size, status.st_mtime_ns] == state[:2] or file_digest(path) == state[2]
    except (OSError, InputError):       # it is gone, or no file any more
        return False
