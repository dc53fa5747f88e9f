"""This project's model files: self-describing, uncompressed HDF5. Reading executes nothing from the file.

Every network is a group, named after its field of `checkpoint.Models`. The group has the constructor arguments as JSON
in the attribute `config`, the class in the attribute `network` unless it is the first class that the field may hold,
and the weights as datasets with their official names and layouts.
"""
from __future__ import annotations

import contextlib
import io
import json
import zlib
from pathlib import Path

import h5py
import numpy as np

from tf_idinvert.errors import InputError
from tf_idinvert.files import atomic
from tf_idinvert.formats.arguments import shown
from tf_idinvert.formats.described import Described
from tf_idinvert.formats.hdf5_attributes import attributes

FORMAT, FORMAT_VERSION = "tf_idinvert", 1
CHECKSUM = "crc32"          # attribute of a weight, of its bytes, and of a network, of its arguments
SIGNATURE = b"\x89HDF\r\n\x1a\n"


def describe(path, entries, only=None):
    """Yield a description of every network in an HDF5 model file; memory is bounded by the file's size.

    Args:
        path: file name.
        entries: entries of the known networks.
        only: fields of `checkpoint.Models` to return; None: all.
    Yields:
        Described.
    Raises:
        InputError: no model file of this project, another version, damaged or hostile; one line without the path.
    """
    try:
        with h5py.File(path, "r") as file:
            _check_format(file)
            known = {field for entry in entries for field in entry.fields}
            unknown = sorted(set(file) - known)
            if unknown:
                raise InputError(f"holds an unknown network {shown(unknown[0])}")
            for field in file:
                if only is None or field in only:
                    yield _described(Path(path).stat().st_size, file, field, entries)
    except InputError:
        raise
    except Exception as error:      # a damaged file can fail anywhere in the HDF5 library
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise InputError(f"damaged or truncated HDF5 file ({reason})") from error


def _check_format(file):
    about = attributes(file)
    if about.get("format") != FORMAT:
        raise InputError(f"an HDF5 file, but not one of ours (no format={FORMAT!r}); Keras weight files hold no "
                         "constructor arguments and cannot be opened here")
    if about.get("format_version") != FORMAT_VERSION:
        version = shown(str(about.get("format_version")))
        raise InputError(f"format version {version}; this program reads version {FORMAT_VERSION}")


def _described(file_size, file, field, entries):
    group = hard_linked(file, field)
    if not isinstance(group, h5py.Group):
        raise InputError(f"{field!r} is no group")
    classes = [entry.network.__name__ for entry in entries if field in entry.fields]
    about = attributes(group)
    network = about.get("network", classes[0])
    if not isinstance(network, str) or network not in classes:
        raise InputError(f"{field!r} is of the class {shown(network)}; known are {', '.join(classes)}")
    try:
        config = about["config"]
        _check_sum(group, config.encode(), f"{field}, arguments")
        config = json.loads(config)
        config = {key: tuple(value) if isinstance(value, list) else value for key, value in config.items()}
    except InputError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise InputError(f"the arguments of {field!r} cannot be read") from error
    return Described(field, network, config, stored_arrays(group, file_size),
                     origin=f"file of ours (HDF5, format {FORMAT_VERSION})")


def stored_arrays(group, left):
    """Return {name: float32 array} of all datasets below a group.

    Memory is bounded, because only plain datasets are accepted, every object once, with at most `left` bytes in total.
    """
    arrays, seen, pending = {}, set(), [("", group)]
    while pending:
        prefix, group = pending.pop()
        for key in group:
            item, name = hard_linked(group, key), prefix + key
            address = h5py.h5o.get_info(item.id).addr
            if address in seen:
                raise InputError(f"{name!r} is stored under another name, too")
            seen.add(address)
            if isinstance(item, h5py.Group):
                pending.append((name + "/", item))
                continue
            if not _is_plain(item) or item.nbytes > left:
                raise InputError(f"{name!r} is no plain stored array of floats")
            left -= item.nbytes
            stored = item[()]
            _check_sum(item, stored, name)
            arrays[name] = np.asarray(stored, "float32")
    return arrays


def _check_sum(item, data, name):
    """InputError where the bytes are not those that were written; older files have no such sum."""
    about = attributes(item)
    if CHECKSUM in about and int(about[CHECKSUM]) != _sum(data):
        raise InputError(f"{name!r} is damaged: its bytes are not those that were written")


def _sum(data):
    """CRC-32 of bytes, or of an array's, of which no copy is made."""
    return np.uint32(zlib.crc32(data if isinstance(data, bytes) else np.ascontiguousarray(data)))


@contextlib.contextmanager
def replacing(path):
    """An h5py.File in memory, which takes the place of `path` at the end: on a full disk HDF5 would end the process."""
    whole = io.BytesIO()
    with h5py.File(whole, "w") as file:
        yield file
    with atomic.replacing(path) as temporary, open(temporary, "wb") as file:
        file.write(whole.getbuffer())


def store(group, name, array):
    """Write an array, and its checksum."""
    group.create_dataset(name, data=array).attrs[CHECKSUM] = _sum(array)


def _is_plain(item):
    """Return whether a member is a dataset of floats that is stored completely and uncompressed in this file."""
    return (isinstance(item, h5py.Dataset) and item.dtype.kind == "f" and item.chunks is None and not item.is_virtual
            and not item.external and item.id.get_storage_size() == item.size * item.dtype.itemsize)


def hard_linked(group, key):
    """Return a member of a group; refuse soft and external links, which can lead out of the file or in circles."""
    if not isinstance(group.get(key, getlink=True), h5py.HardLink):
        raise InputError(f"{key!r} is a link to elsewhere")
    return group[key]


def write(path, networks, entries, dtype="float32"):
    """Write an HDF5 model file atomically.

    Args:
        path: file name.
        networks: iterable of Described.
        entries: entries of the known networks.
        dtype: 'float32' or 'float16', number type of the stored weights.
    Raises:
        InputError: weights too large for `dtype`; one line without the path.
    """
    with replacing(path) as file:
        file.attrs["format"], file.attrs["format_version"] = FORMAT, FORMAT_VERSION
        for each in networks:
            group = file.create_group(each.field)
            config = json.dumps(each.config)
            group.attrs["config"], group.attrs[CHECKSUM] = config, _sum(config.encode())
            if each.network != next(entry.network.__name__ for entry in entries if each.field in entry.fields):
                group.attrs["network"] = each.network
            for name, array in each.arrays.items():
                with np.errstate(over="ignore"):
                    stored = array.astype(dtype)
                if not np.isfinite(stored[np.isfinite(array)]).all():
                    raise InputError(f"{each.field}/{name} has values too large for {dtype}")
                store(group, name, stored)
