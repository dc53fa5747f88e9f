"""Files of tuned generators: what pivotal tuning added to the weights of a synthesis network, in float16.

HDF5, uncompressed: under `synthesis`, by official name, the differences of the weights that changed; as attributes the
SHA-256 of the original network, onto which alone they can be added, and JSON with what the file was made of. As with
all our files nothing in it is executed, and memory is bounded by its size.
"""
from __future__ import annotations

import hashlib
import json
from pathlib import Path

import h5py
import numpy as np

from tf_idinvert.errors import InputError
from tf_idinvert.formats import hdf5, hdf5_attributes
from tf_idinvert.formats.arguments import shown
from tf_idinvert.formats.pickle_machine import Refused
from tf_idinvert.formats.untrusted import MAX_BYTES, label, opened

FORMAT, FORMAT_VERSION, GROUP = "tf_idinvert tuned generator", 1, "synthesis"
MAX_RECORD = 1 << 20        # bytes of JSON


class TunedError(InputError):
    """A file of a tuned generator that cannot be read or does not fit; one line that begins with its path."""


def write(path, digest, differences, record):
    """Write a file, atomically.

    Args:
        path: file name.
        digest: SHA-256 of the original network, as `digest_of` gives it.
        differences: {official name: float16 array in official layout}.
        record: dict for JSON: pictures, options, losses and the like.
    Raises:
        OSError: the file cannot be written.
    """
    with hdf5.replacing(path) as file:
        file.attrs["format"], file.attrs["format_version"] = FORMAT, FORMAT_VERSION
        file.attrs["original"], file.attrs["record"] = digest, json.dumps(record, default=str)
        group = file.create_group(GROUP)
        for name, difference in differences.items():
            hdf5.store(group, name, difference)


def added(path, digest, original):
    """The weights of a network plus the differences of a file.

    Args:
        path: file name.
        digest: SHA-256 of the network, as `digest_of` gives it.
        original: {official name: float32 array}, its weights.
    Returns:
        The same, tuned.
    Raises:
        TunedError: no such file, damaged, hostile, or made for another network.
    """
    expected, _, differences = read(path)
    if digest != expected:
        raise TunedError(f"{label(path)}: was tuned from another generator (SHA-256 {expected[:12]!r}; this one's is "
                         f"{digest[:12]!r})")
    tuned = dict(original)
    for name, difference in differences.items():
        found = list(original[name].shape) if name in original else "none"
        if found != list(difference.shape):
            raise TunedError(f"{label(path)}: {shown(name)} is {list(difference.shape)}, the generator has {found}")
        tuned[name] = original[name] + difference
    return tuned


def read(path):
    """What a file holds.

    Returns:
        (SHA-256 of the original network, record, {official name: float32 difference, finite}).
    Raises:
        TunedError: no such file, damaged, or hostile.
    """
    with opened(path, "tuned generator", MAX_BYTES, TunedError) as (file, size):
        if file.read(len(hdf5.SIGNATURE)) != hdf5.SIGNATURE:
            raise Refused("is no file of a tuned generator")
    try:
        with h5py.File(path, "r") as file:
            digest, record = _about(file)
            if set(file) != {GROUP}:
                raise InputError("holds something else than differences of weights")
            differences = hdf5.stored_arrays(hdf5.hard_linked(file, GROUP), size)
    except InputError as error:
        raise TunedError(f"{label(path)}: {error}") from error
    except Exception as error:      # a damaged file can fail anywhere in the HDF5 library
        raise TunedError(f"{label(path)}: damaged or truncated HDF5 file ({type(error).__name__})") from error
    for name, difference in differences.items():
        if not np.isfinite(difference).all():
            raise TunedError(f"{label(path)}: {shown(name)} has values that are not finite")
    return digest, record, differences


def _about(file):
    """(digest, record) of an open file; InputError where it is no such file."""
    about = hdf5_attributes.attributes(file)
    if about.get("format") != FORMAT:
        raise InputError("an HDF5 file, but not of a tuned generator"
                         + (", which --model takes" if about.get("format") == hdf5.FORMAT else ""))
    if about.get("format_version") != FORMAT_VERSION:
        raise InputError(f"of format version {shown(str(about.get('format_version')))}; this program reads "
                         f"version {FORMAT_VERSION}")
    digest, text = about.get("original"), about.get("record")
    try:
        record = json.loads(text) if isinstance(text, str) and len(text) <= MAX_RECORD else None
    except (ValueError, RecursionError):
        record = None
    if not isinstance(digest, str) or not isinstance(record, dict):
        raise InputError("does not say what it was made of")
    return digest, record


def files(path):
    """{name without suffix: path} of the files of a folder that tuning wrote, or of one file."""
    path = Path(path)
    found = sorted(path.glob("*.h5")) if path.is_dir() else [path]
    if not found:
        raise TunedError(f"{label(path)}: holds no files of tuned generators (.h5)")
    return {each.stem: each for each in found}


def digest_of(config, arrays):
    """SHA-256 of a network by its arguments and {official name: array}, whatever file they came from."""
    total = hashlib.sha256(json.dumps(config, sort_keys=True).encode())
    for name, array in sorted(arrays.items()):
        total.update(f"{name} {array.shape}".encode())
        total.update(np.ascontiguousarray(array, "<f4"))
    return total.hexdigest()
