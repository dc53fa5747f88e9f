"""Folders of pictures whose classes are told by sub folders, or by dataset.json as in StyleGAN2-ADA's sets.

    FOLDER/CLASS/NAME.png           no pictures directly in FOLDER: every sub folder is a class, named after it
    FOLDER/dataset.json             {"labels": [["00000/img.png", 3], ...]}: classes from 0, or a list of numbers for
                                    each picture; null: no labels, all pictures of the folder and its sub folders
"""
from __future__ import annotations

import dataclasses
from pathlib import Path, PurePosixPath

import numpy as np

from tf_idinvert.errors import InputError
from tf_idinvert.files import finding, texts

INDEX = "dataset.json"
MAX_INDEX, MAX_LABELS = 1 << 28, 1 << 28        # bytes of dataset.json; numbers in all labels


@dataclasses.dataclass(frozen=True)
class Classes:
    """Pictures and what is known of them: labels float32 [N, A] with A names, or None."""

    paths: list
    labels: np.ndarray | None
    names: list | None


def find(folder):
    """Classes of a folder; None where it has none.

    Raises:
        InputError: dataset.json is damaged, names files outside the folder, or labels of different kinds.
    """
    folder = Path(folder)
    if not folder.is_dir():
        return None
    if (folder / INDEX).is_file():
        return _from_index(folder)
    inside = [path for path in folder.iterdir() if not path.name.startswith(".")]
    if any(map(_is_picture, inside)):
        return None
    classes = {path.name: path for path in sorted(inside) if path.is_dir() and any(map(_is_picture, path.iterdir()))}
    if not classes:
        return None
    listed = [[path for _, path in finding.listing([each])] for each in classes.values()]
    labels = np.repeat(np.eye(len(classes), dtype=np.float32), [len(paths) for paths in listed], axis=0)
    return Classes(sum(listed, []), labels, list(classes))


def _is_picture(path):
    return not path.is_dir() and finding.is_picture(path)


def _from_index(folder):
    index = folder / INDEX
    found = texts.read_json(index, "an index of labels", MAX_INDEX)
    try:
        rows = found["labels"]
        rows = rows if rows is None else [(str(PurePosixPath(name)), label) for name, label in rows]
    except (ValueError, TypeError, KeyError):
        raise InputError(f"{index}: expected {{\"labels\": [[file name, label], ...]}} in JSON") from None
    if not rows:
        paths = sorted(path for path in folder.rglob("*") if _is_picture(path) and not path.name.startswith("."))
        return Classes(paths, None, None) if paths else None
    outside = [name for name, _ in rows if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts]
    if outside:
        raise InputError(f"{index}: names {outside[0]}, which is outside of the folder")
    labels, names = _labels(index, [label for _, label in rows])
    return Classes([folder / name for name, _ in rows], labels, names)


def _labels(index, labels):
    """(float32 [N, A], A names) of classes from 0, or of lists of numbers."""
    if all(type(label) is int and label >= 0 for label in labels):
        count = max(labels) + 1
        if count * len(labels) <= MAX_LABELS:
            return np.eye(count, dtype=np.float32)[labels], [f"class{i}" for i in range(count)]
    elif all(isinstance(label, list) and len(label) == len(labels[0]) > 0 for label in labels):
        try:
            values = np.array(labels, np.float32)
        except (TypeError, ValueError, OverflowError):
            values = np.array([np.nan])
        if values.ndim == 2 and np.isfinite(values).all():
            return values, [f"label{i}" for i in range(values.shape[1])]
    raise InputError(f"{index}: expected labels that are all classes from 0, or all lists of as many finite numbers")
