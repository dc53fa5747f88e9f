"""The one door to model files: official pickles and our own HDF5 files give the same `Models`, and are written from it.

Our format is one HDF5 file, self-describing: a group for each network with its constructor arguments as JSON in the
attribute `config`, and its weights under their official names in official layout (see `weights`), uncompressed. Nothing
in either kind of file is ever executed.
"""
from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import h5py
import numpy as np

from tf_idinvert import atomic, conversion, pickles, weights
from tf_idinvert.networks.discriminator import Discriminator
from tf_idinvert.networks.encoder import Encoder
from tf_idinvert.networks.generator import Generator

FORMAT, FORMAT_VERSION = "tf_idinvert", 1
HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
NETWORK_CLASSES = {"encoder": Encoder, "training_generator": Generator, "discriminator": Discriminator,
                   "generator": Generator}


class CheckpointError(ValueError):
    """A model file that cannot be read or written; the message is one line and begins with the file's path."""


@dataclasses.dataclass
class Models:
    """The networks of one file; None where absent. `generator` is the running average (Gs), the one to use."""

    encoder: Encoder | None = None
    generator: Generator | None = None
    discriminator: Discriminator | None = None
    latent_discriminator: object | None = None
    training_generator: Generator | None = None     # G as trained, from which Gs is averaged


def load(path):
    """Networks of an official pickle, `(G, D, Gs)` or `(E, G, D, Gs)`, or of a file of ours; told by content.

    Args:
        path: file name; its suffix does not matter.
    Returns:
        Models.
    Raises:
        CheckpointError: missing or unreadable, neither format, damaged, or hostile; one line, nothing executed.
    """
    path = Path(path)
    try:
        with open(path, "rb") as file:
            native = file.read(len(HDF5_SIGNATURE)) == HDF5_SIGNATURE
    except OSError as error:
        raise CheckpointError(f"{path}: {error.strerror or error}") from error
    try:
        return _load_hdf5(path) if native else _from_records(pickles.read(path))
    except pickles.PickleError as error:
        raise CheckpointError(str(error)) from error
    except (conversion.ConversionError, weights.WeightsError) as error:
        raise CheckpointError(f"{path}: {error}") from error


def save(models, path, dtype="float32"):
    """Write a model file, atomically: an official pickle if `path` ends in .pkl, ours if in .h5 or .hdf5.

    Args:
        models: Models. An official pickle holds (G, D, Gs), or (E, G, D, Gs) with an encoder; where G as trained is
            absent, Gs stands for it too.
        path: file name.
        dtype: 'float32' or 'float16', how our format stores weights; a pickle always has float32.
    Raises:
        CheckpointError: an unknown suffix or dtype, a network the format has no place for, or a file that cannot be
            written.
    """
    path = Path(path)
    if dtype not in ("float32", "float16"):
        raise CheckpointError(f"{path}: dtype must be 'float32' or 'float16'; got {dtype!r}")
    try:
        if path.suffix.lower() == ".pkl":
            if dtype != "float32":
                raise CheckpointError(f"{path}: an official pickle holds float32 weights, not {dtype}")
            pickles.write(path, _to_records(models))
        elif path.suffix.lower() in (".h5", ".hdf5"):
            _save_hdf5(models, path, dtype)
        else:
            raise CheckpointError(f"{path}: a model file ends in .pkl (official format) or .h5 (ours)")
    except pickles.PickleError as error:
        raise CheckpointError(str(error)) from error
    except conversion.ConversionError as error:
        raise CheckpointError(f"{path}: {error}") from error
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be written: {error.strerror or error}") from error


def _from_records(records):
    order = {4: ("encoder", "training_generator", "discriminator", "generator"),
             3: ("training_generator", "discriminator", "generator")}.get(len(records))
    networks = [conversion.to_network(record) for record in records]
    if order is None:       # a single network, or an incomplete set: what a thing is says where it belongs
        order = [next(field for field, kind in NETWORK_CLASSES.items()
                      if isinstance(n, kind) and field != "training_generator") for n in networks]
    for field, network, record in zip(order, networks, records):
        if not isinstance(network, NETWORK_CLASSES[field]) or order.count(field) > 1:
            raise conversion.ConversionError(
                f"expected (G, D, Gs) or (E, G, D, Gs); network {record.name!r} is not in its place")
    return Models(**dict(zip(order, networks)))


def _to_records(models):
    if models.generator is None or models.discriminator is None:
        raise conversion.ConversionError("an official pickle needs a generator and a discriminator")
    if models.latent_discriminator is not None:
        raise conversion.ConversionError("an official pickle has no place for a latent discriminator")
    networks = [("E", models.encoder), ("G", models.training_generator or models.generator),
                ("D", models.discriminator), ("Gs", models.generator)]
    return tuple(conversion.to_record(network, name) for name, network in networks if network is not None)


def _save_hdf5(models, path, dtype):
    with atomic.replacing(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs["format"], file.attrs["format_version"] = FORMAT, FORMAT_VERSION
        for field in dataclasses.fields(models):
            network = getattr(models, field.name)
            if network is None:
                continue
            group = file.create_group(field.name)
            group.attrs["config"] = json.dumps(network.get_config())
            for name, array in weights.export_arrays(network).items():
                group.create_dataset(name, data=array.astype(dtype))


def _load_hdf5(path):
    try:
        with h5py.File(path, "r") as file:
            if file.attrs.get("format") != FORMAT:
                raise CheckpointError(f"{path}: an HDF5 file, but not one of ours (no format={FORMAT!r}); Keras weight "
                                      "files hold no constructor arguments and cannot be opened here")
            if file.attrs.get("format_version") != FORMAT_VERSION:
                raise CheckpointError(f"{path}: format version {file.attrs.get('format_version')}; "
                                      f"this program reads version {FORMAT_VERSION}")
            unknown = sorted(set(file) - set(NETWORK_CLASSES))
            if unknown:
                raise CheckpointError(f"{path}: holds an unknown network {unknown[0]!r}")
            return Models(**{field: _read_network(path, file, field) for field in file})
    except (OSError, RuntimeError, KeyError, TypeError, UnicodeDecodeError, MemoryError) as error:
        raise CheckpointError(f"{path}: damaged or truncated HDF5 file ({str(error).splitlines()[0]})") from error


def _read_network(path, file, field):
    group = _hard_linked(path, file, field)
    if not isinstance(group, h5py.Group):
        raise CheckpointError(f"{path}: {field!r} is no group")
    try:
        config = json.loads(group.attrs["config"])
        config = {key: tuple(value) if isinstance(value, list) else value for key, value in config.items()}
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{path}: the arguments of {field!r} cannot be read") from error
    arrays = dict(_read_arrays(path, group, ""))
    return weights.build(NETWORK_CLASSES[field], config, arrays)


def _read_arrays(path, group, prefix):
    """Yield (name, float array) of all datasets below a group; plain ones only, so that memory is bounded by the file."""
    if prefix.count("/") > 8:
        raise CheckpointError(f"{path}: groups nested too deeply at {prefix!r}")
    for key in group:
        item, name = _hard_linked(path, group, key), prefix + key
        if isinstance(item, h5py.Group):
            yield from _read_arrays(path, item, name + "/")
            continue
        plain = (isinstance(item, h5py.Dataset) and item.dtype.kind == "f" and item.chunks is None
                 and not item.is_virtual and not item.external)
        if not plain or item.id.get_storage_size() != item.size * item.dtype.itemsize:
            raise CheckpointError(f"{path}: {name!r} is no plain stored array of floats")
        yield name, np.asarray(item[()], "float32")


def _hard_linked(path, group, key):
    """Member of a group; refuses soft and external links, which can point outside the file or in circles."""
    if not isinstance(group.get(key, getlink=True), h5py.HardLink):
        raise CheckpointError(f"{path}: {key!r} is a link to elsewhere")
    return group[key]
