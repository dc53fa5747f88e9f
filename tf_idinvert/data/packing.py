"""Folders of pictures, rendered portraits or other sets -> a set in the original's TFRecord format, and back. Further
sources: `celeba`, `lsun`.

Several processes write the set in parts; when all are there, they are joined. A run that was stopped goes on when
it is started again, and ends in the same bytes. A set is a folder with
    NAME-rXX.tfrecords      pictures, one file for each resolution, see `pipeline`; NAME is the folder's
    NAME-labels.npy         float32 [N, A], in the order of the pictures, where there are labels
    NAME-labels.json        {"names": [A names]}
    set.json                what it is made of, number of pictures, those that were left out
and, unpacked, 000000.png, ..., with labels.npy and labels.json.
"""
from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import json
import os
import re
import shutil
from pathlib import Path

import numpy as np

from tf_idinvert.data import classes, pipeline
from tf_idinvert.errors import InputError
from tf_idinvert.files import arrays, atomic, images, locks, parallel, texts
from tf_idinvert.files.records import record_files
from tf_idinvert.portraits import portrait, sets

PART = 64               # pictures read by a process at a time
RECORD, PARTS = "set.json", ".parts"



# ------------------------------------------------------------------------------------------------- sources

@dataclasses.dataclass(frozen=True)
class Portraits:
    """Rendered portraits, those of `sets.chunks`, with their attributes as labels."""

    count: int
    seed: int
    resolution: int = 64
    part = sets.CHUNK

    def __len__(self):
        return self.count

    def description(self):
        return {"portraits": self.count, "seed": self.seed, "resolution": self.resolution}

    def label_names(self):
        return [*portrait.ATTRIBUTES, *portrait.NUISANCES]

    def read(self, start, stop):
        """Yield (picture, its labels) from `start`, a multiple of `part`, to `stop`."""
        seed = (self.seed + 1) * sets.SEED_STRIDE + start // self.part
        pictures, attributes = portrait.sample(stop - start, seed, self.resolution)
        yield from zip(pictures, np.stack([attributes[name] for name in self.label_names()], axis=1))


@dataclasses.dataclass(frozen=True)
class Pictures:
    """What `pipeline.open_source` opens: a folder of pictures, a .npy file, or TFRecords; labels where it has them."""

    path: str
    resolution: int
    part = PART

    def __post_init__(self):
        for each in _opened, _labels, _classes:       # what they remember may have changed
            each.cache_clear()

    def __len__(self):
        return len(_opened(self.path, self.resolution))

    def description(self):
        """What it is, including sizes and dates of its files, so that a set is not taken up with other pictures."""
        source, path = _opened(self.path, self.resolution), Path(self.path)
        files = source.paths if isinstance(source, pipeline.FolderSource) else record_files(path) or [path]
        beside = [path / classes.INDEX, *filter(None, [_labels_file(path)])]
        found = [(str(file), *size_and_date(file)) for file in [*files, *(file for file in beside if file.exists())]]
        return {"pictures": str(path.resolve()), "resolution": self.resolution,
                "state": hashlib.sha256(repr(found).encode("utf-8", "surrogateescape")).hexdigest()}

    def label_names(self):
        labels = _labels(self.path, self.resolution)
        return None if labels is None else labels[1]

    def read(self, start, stop):
        """Yield (picture, its labels or None) from `start` to `stop`; for a bad picture, a line that says why."""
        source, labels = _opened(self.path, self.resolution), _labels(self.path, self.resolution)
        for i in range(start, stop):
            try:
                picture = source.read([i])[0]
            except InputError as error:
                picture = str(error)
            yield picture, None if labels is None else labels[0][i]


@functools.lru_cache(maxsize=1)
def _opened(path, resolution):
    """The source; kept open, since every part asks for it."""
    found = _classes(path)
    return pipeline.FolderSource(path, resolution, found.paths) if found else pipeline.open_source(path, resolution)


@functools.lru_cache(maxsize=1)
def _classes(path):
    """`classes.Classes` of a folder of pictures; None where it has none."""
    return None if record_files(path) else classes.find(path)


@functools.lru_cache(maxsize=1)
def _labels(path, resolution):
    """(labels [N, A], A names) that lie beside a source; None where none do."""
    file, found = _labels_file(Path(path)), _classes(path)
    if found and found.labels is not None:
        return found.labels, found.names
    if file is None:
        return None
    labels, names = arrays.read(file), file.with_suffix(".json")
    if labels.ndim != 2 or len(labels) != len(_opened(path, resolution)):
        raise InputError(f"{file}: expected labels [{len(_opened(path, resolution))}, A], as many as there are "
                         f"pictures; got {list(labels.shape)}")
    if not names.exists():
        return labels, [f"label{i}" for i in range(labels.shape[1])]
    found = _read_json(names).get("names")
    if not isinstance(found, list) or len(found) != labels.shape[1] or not all(isinstance(each, str) for each in found):
        raise InputError(f"{names}: expected 'names', a list of {labels.shape[1]}, one for each column of labels")
    return labels, found


def _labels_file(path):
    """The file of labels that belongs to a source, ours or the original tools' (NAME-rxx.labels), or None."""
    if not path.is_dir():
        name = path.stem if path.suffix == ".npy" else path.name
        if path.suffix == ".tfrecords":
            name = re.sub(r"-r\d+$", "", path.stem)
        named = path.with_name(f"{name}-labels.npy"), path.with_name(f"{name}-rxx.labels")
        return next((file for file in named if file.exists()), None)
    for pattern in "*labels.npy", "*-rxx.labels":
        found = sorted(path.glob(pattern))
        if len(found) > 1:
            raise InputError(f"{path}: {len(found)} files {pattern}; expected one at most")
        if found:
            return found[0]
    return None


def size_and_date(file):
    """(bytes, time of the last change), None for a file that is missing, which is reported when it is read."""
    try:
        about = os.stat(file)
    except OSError:
        return None, None
    return about.st_size, about.st_mtime_ns


# ------------------------------------------------------------------------------------------------- packing

def pack(source, folder, processes=None, progress=None, report=None):
    """Write a set of TFRecords; go on with it where a run was stopped.

    Args:
        source: Portraits, Pictures, CelebA or Lsun.
        folder: to be made, or of a run that was stopped.
        processes: how many; None: as many as processors.
        progress: None, or a function called with the number of pictures just done.
        report: None, or a function called with a line for each picture that is left out.
    Returns:
        (number of pictures in the set, list of those lines).
    Raises:
        InputError, OSError: one line; what is done already is kept.
    """
    folder, resolution = Path(folder), source.resolution
    if resolution < 4 or resolution & resolution - 1:
        raise InputError(f"resolution: expected a power of two, 4 or more, got {resolution}")
    record = _begin(folder, source)
    if "count" not in record:
        results = _run(_pack_part, source, folder, processes, progress, report)
        record = _join(folder, source, results, record)
    elif report:
        for line in record["left_out"]:
            report(line)
    shutil.rmtree(folder / PARTS, ignore_errors=True)
    return record["count"], record["left_out"]


def _pack_part(task):
    """Write one part, unless it is there -> {"count", "left_out", "files"}."""
    source, folder, start, stop = task
    part = folder / PARTS / f"{start:09d}"
    finished = part.with_suffix(".json")
    if finished.exists():
        return _read_json(finished)
    left_out, rows = [], []

    def pictures():
        for picture, row in source.read(start, stop):
            if isinstance(picture, str):
                left_out.append(picture)
            else:
                rows.append(row)
                yield picture

    count = pipeline.write_tfrecords(part, pictures(), source.resolution)
    result = {"count": count, "left_out": left_out}
    names = source.label_names()
    if names is not None:
        arrays.write(f"{part}-labels.npy", np.asarray(rows, np.float32).reshape(count, len(names)))
    _write_json(finished, result)
    return result


def _join(folder, source, results, record):
    """Put the parts together, and the set in its place."""
    count, left_out = sum(each["count"] for each in results), [line for each in results for line in each["left_out"]]
    if not count:
        _nothing(folder, source)
    parts, name = folder / PARTS, folder.resolve().name
    starts = range(0, len(source), source.part)
    suffixes = [f"-r{level:02d}.tfrecords" for level in range(2, source.resolution.bit_length())]
    for suffix in suffixes:
        with open(parts / f"joined{suffix}", "wb") as joined:
            for start in starts:
                with open(parts / f"{start:09d}{suffix}", "rb") as part:
                    shutil.copyfileobj(part, joined, 1 << 20)
    names = source.label_names()
    if names is not None:
        rows = [arrays.read(parts / f"{start:09d}-labels.npy") for start in starts]
        _write_labels(folder / f"{name}-labels.npy", np.concatenate(rows), names)
    for suffix in suffixes:
        os.replace(parts / f"joined{suffix}", folder / f"{name}{suffix}")
    record = {**record, "count": count, "left_out": left_out}
    _write_json(folder / RECORD, record)
    return record


# ------------------------------------------------------------------------------------------------- unpacking

def unpack(source, folder, processes=None, progress=None, report=None):
    """Write pictures as 000000.png, 000001.png, ..., and their labels; `source` is Pictures, all else as in `pack`."""
    folder = Path(folder)
    record = _begin(folder, source)
    results = _run(_unpack_part, source, folder, processes, progress, report)
    left_out = [line for each in results for line in each["left_out"]]
    kept = [i for each in results for i in each["kept"]]
    if not kept:
        _nothing(folder, source)
    names = source.label_names()
    if names is not None:
        _write_labels(folder / "labels.npy", _labels(source.path, source.resolution)[0][kept], names)
    _write_json(folder / RECORD, {**record, "count": len(kept), "left_out": left_out})
    shutil.rmtree(folder / PARTS, ignore_errors=True)
    return len(kept), left_out


def _unpack_part(task):
    """Write those pictures of one part that are not there -> {"count", "left_out", "kept"}."""
    source, folder, start, stop = task
    left_out, kept = [], []
    for i in range(start, stop):
        path = folder / f"{i:06d}.png"
        if not path.exists():
            (picture, _), = source.read(i, i + 1)
            if isinstance(picture, str):
                left_out.append(picture)
                continue
            if picture.shape[2] == 1:
                picture = np.repeat(picture, 3, axis=2)
            waiting = folder / PARTS / path.name        # what a killed process leaves is then cleared away
            images.save(waiting, picture)
            os.replace(waiting, path)
        kept.append(i)
    return {"count": len(kept), "left_out": left_out, "kept": kept}


# ------------------------------------------------------------------------------------------------- runs

def _begin(folder, source):
    """What set.json of the folder says; InputError unless the folder is new or holds this set, whole or begun."""
    made_of = source.description()
    source.label_names()        # errors that can be known are raised before anything is made
    locks.claim(folder)
    if (folder / RECORD).exists():
        record = _read_json(folder / RECORD)
        if record.get("made_of") != made_of:
            raise InputError(f"{folder}: holds a set of something else, or of pictures that have changed since; "
                             "expected a new folder, or delete this one")
    else:
        if any(not path.name.startswith(".") for path in folder.iterdir()):
            raise InputError(f"{folder}: holds other files; expected a new folder")
        record = {"made_of": made_of}
        _write_json(folder / RECORD, record)
    (folder / PARTS).mkdir(exist_ok=True)
    return record


def _nothing(folder, source):
    """Leave the folder empty, for another attempt with other pictures."""
    (folder / RECORD).unlink()
    shutil.rmtree(folder / PARTS)
    raise InputError(f"{folder}: none of {len(source)} pictures could be read")


def _run(function, source, folder, processes, progress, report):
    """Results of `function` for all parts, in order."""
    tasks = [(source, folder, start, min(start + source.part, len(source)))
             for start in range(0, len(source), source.part)]
    results = []
    with contextlib.closing(parallel.in_order(function, tasks, processes)) as found:
        for result, (_, _, start, stop) in zip(found, tasks):
            results.append(result)
            if report:
                for line in result["left_out"]:
                    report(line)
            if progress:
                progress(stop - start)
    return results


# ------------------------------------------------------------------------------------------------- small files

def _write_labels(path, labels, names):
    arrays.write(path, np.asarray(labels, np.float32))
    _write_json(path.with_suffix(".json"), {"names": names})


def _write_json(path, content):
    atomic.write_text(path, json.dumps(content, indent=1) + "\n")


def _read_json(path):
    """The dictionary in a JSON file; InputError where it is damaged."""
    content = texts.read_json(path, "a dictionary")
    if not isinstance(content, dict):
        raise InputError(f"{path}: damaged, expected a dictionary in JSON")
    return content
