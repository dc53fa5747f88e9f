"""The folder of inverted pictures that tools hand to each other, in the original's form.

For every picture NAME it holds NAME_ori.png (as the network sees it), NAME_enc.png (G(E(x))) and NAME_inv.png (after
the optimisation); image_list.txt with one name a line; and in that order encoded_codes.npy and inverted_codes.npy,
[N, L, D]. Nothing in it is executed when it is read.
"""
from __future__ import annotations

import contextlib
import dataclasses
import json
import re
from collections import Counter
from pathlib import Path

import numpy as np

from tf_idinvert.errors import InputError
from tf_idinvert.files import arrays, atomic, paths, texts

LIST, CODES, ENCODED = "image_list.txt", "inverted_codes.npy", "encoded_codes.npy"
OPTIONS, ALIGNED, PASTED = "options.json", "aligned.json", "pasted.json"
LARGEST = 1e6           # of a code: squares and products within the networks stay finite
KINDS = ("ori", "enc", "inv", "deg", "res", "com")      # NAME_KIND.png, of inversion and of restoration
KINDS_BESIDE = {"tun": "tuning.json", "edited": "edited_codes.npy"}     # kinds that count where this file is beside
SHEETS = {"preview": "log.jsonl", "edits": "edits.json", "encoders": "encoders.json", "samples": "quality.json",
          "interpolations": "quality.json", "restoration_mask": "restoration.html"}     # NAME(-...).png: what is beside


@dataclasses.dataclass(frozen=True)
class Results:
    """Inverted pictures: their names, and codes [N, L, D]."""

    folder: Path
    names: tuple
    codes: np.ndarray

    def picture(self, i, kind):
        """Path of picture i: kind 'ori', 'enc' or 'inv'; None where there is none."""
        path = self.folder / f"{self.names[i]}_{kind}.png"
        return path if path.is_file() else None

    def check(self, num_layers, width):
        """InputError unless the codes are for a network of `num_layers` layers of `width`."""
        if self.codes.shape[1:] != (num_layers, width):
            raise InputError(f"{self.folder / CODES}: codes of {self.codes.shape[1]} layers of "
                             f"{self.codes.shape[2]}, this network has {num_layers} of {width}: they were made with "
                             "another")


def is_results(path):
    """Whether a path is such a folder, perhaps an incomplete one."""
    return any((Path(path) / name).exists() for name in (LIST, CODES))


def made_in(folder, names):
    """Which pictures in a folder are results of an earlier run of a tool.

    NAME_KIND.png is one where a list or options of ours beside it name NAME, where NAME is another picture of the
    folder, or where NAME has other kinds there, too: a run that was killed leaves no list. So are faces cut out of
    photographs, and photographs that faces were pasted into, which a record beside them names.

    Args:
        folder: path.
        names: file names of the pictures in it.
    Returns:
        Set of those that are.
    """
    kinds_here = {*KINDS, *(kind for kind, beside in KINDS_BESIDE.items() if (Path(folder) / beside).exists())}
    parts = {name: Path(name).stem.rpartition("_") for name in names if Path(name).suffix == ".png"}
    kinds = Counter(base for base, _, kind in parts.values() if kind in kinds_here)
    known = {Path(name).stem for name in names} | _listed(Path(folder))
    made = {name for name, (base, _, kind) in parts.items()
            if kind in kinds_here and (base in known or kinds[base] > 1)}
    made |= _recorded(Path(folder)) & set(names)
    return made | {name for name in parts for sheet, beside in SHEETS.items()
                   if re.fullmatch(rf"{sheet}(-.*)?\.png", name) and (Path(folder) / beside).exists()}


def _listed(folder):
    """Names of pictures that files of an earlier run in a folder name; of damaged files, none."""
    found = set()
    with contextlib.suppress(InputError):
        found.update(read_list(folder / LIST) if (folder / LIST).is_file() else ())
    with contextlib.suppress(InputError, TypeError, KeyError):
        found.update(map(str, read_options(folder / OPTIONS)["pictures"]))
    return found


def _recorded(folder):
    """Names of the pictures that records of aligned or pasted photographs in a folder name; of damaged ones, none."""
    found = set()
    with contextlib.suppress(InputError, TypeError, KeyError):
        found.update(f"{face['name']}.png" for face in texts.read_json(folder / ALIGNED, "a record")["faces"])
    with contextlib.suppress(InputError, TypeError, KeyError):
        found.update(map(str, read_options(folder / PASTED)["pictures"]))
    return found


def read(folder):
    """The results in a folder.

    Raises:
        InputError: something is missing or damaged, or list and codes do not fit each other.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: {'is no folder' if folder.exists() else paths.missing(folder, 'no such folder')}")
    for name in (LIST, CODES):
        if not (folder / name).is_file():
            raise InputError(f"{folder}: holds no {name}; expected a folder that inversion has written")
    try:
        codes = arrays.read(folder / CODES)
    except arrays.ArrayError as error:
        raise InputError(str(error)) from error
    if codes.ndim != 3 or codes.dtype.kind != "f" or not codes.size:
        raise InputError(f"{folder / CODES}: expected codes [N, L, D] of floats, got {codes.dtype} "
                         f"{list(codes.shape)}")
    check_range(folder / CODES, codes)
    names = read_list(folder / LIST)
    if len(names) != len(codes):
        raise InputError(f"{folder / LIST}: names {len(names)} pictures, {CODES} has codes of {len(codes)}")
    return Results(folder, names, codes.astype(np.float32))


def check_range(path, codes):
    """InputError where an array has numbers that no network takes: NaN, infinite, or beyond LARGEST."""
    if not (np.abs(codes) <= np.float32(LARGEST)).all():        # NaN is not, either
        known = codes[np.isfinite(codes)]
        seen = f"from {known.min():g} to {known.max():g}" if len(known) == codes.size else "NaN or infinite"
        raise InputError(f"{path}: codes that are {seen}; expected numbers from -{LARGEST:g} to {LARGEST:g}")


def read_list(path):
    """Names in an image_list.txt, folders and suffixes dropped; blank lines and those that begin with # are skipped."""
    lines = [line.strip() for line in texts.read_text(path, "a list of pictures").split("\n")]
    names = [Path(line).stem for line in lines if line and not line.startswith("#")]
    seen = set()
    for name in names:
        if name.casefold() in seen:
            raise InputError(f"{path}: names {name!r} twice, so that its pictures have overwritten each other: "
                             "invert again, equal names are then numbered")
        seen.add(name.casefold())
    return tuple(names)


def write_index(folder, files, codes, encoded=None):
    """Write list and codes; each file appears whole or not at all.

    Args:
        folder: existing folder.
        files: a file name for every picture, NAME.suffix.
        codes: inverted codes, [N, L, D].
        encoded: the codes they started from, or None.
    Raises:
        OSError: a file cannot be written.
    """
    folder = Path(folder)
    for name, values in (ENCODED, encoded), (CODES, codes):
        if values is not None:
            arrays.write(folder / name, np.asarray(values, np.float32))
    write_list(folder, files)


def write_list(folder, files):
    """Write the list of pictures, a file name NAME.suffix for every one; the codes must be written before."""
    lines = [f"./{name}" if name.startswith("#") else name for name in files]       # else it would be a comment
    atomic.write_text(Path(folder) / LIST, "".join(f"{line}\n" for line in lines))


def read_options(path):
    """What `write_options` has written: a dict.

    Raises:
        InputError: missing, too large, or no such file.
    """
    record = texts.read_json(path, "the options of a run")
    if not isinstance(record, dict):
        raise InputError(f"{path}: expected the options of a run")
    return record


def write_options(path, record):
    """Write the options of a run, and its results in short, as JSON.

    Raises:
        OSError: the file cannot be written.
    """
    atomic.write_text(path, json.dumps(record, indent=2, default=str) + "\n")
