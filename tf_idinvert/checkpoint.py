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

from tf_idinvert.errors import InputError
from tf_idinvert.files import atomic
from tf_idinvert.formats import conversion, pickles, weights
from tf_idinvert.formats.arguments import shown
from tf_idinvert.networks.attributes import Attributes
from tf_idinvert.networks.discriminator import Discriminator
from tf_idinvert.networks.encoder import Encoder
from tf_idinvert.networks.generator import Generator
from tf_idinvert.networks.latent_discriminator import LatentDiscriminator

FORMAT, FORMAT_VERSION = "tf_idinvert", 1
HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
NETWORK_CLASSES = {"encoder": Encoder, "training_generator": Generator, "discriminator": Discriminator,
                   "generator": Generator, "latent_discriminator": LatentDiscriminator, "attributes": Attributes}


class CheckpointError(InputError):
    """A model file that cannot be read or written; the message is one line and begins with the file's path."""


@dataclasses.dataclass
class Models:
    """The networks of one file; None where absent. `generator` is the running average (Gs), the one to use."""

    encoder: Encoder | None = None
    generator: Generator | None = None
    discriminator: Discriminator | None = None
    latent_discriminator: LatentDiscriminator | None = None
    training_generator: Generator | None = None     # G as trained, from which Gs is averaged
    attributes: Attributes | None = None            # scores pictures; no part of the papers' sets


def load(path, only=None):
    """Networks of an official pickle, `(G, D, Gs)` or `(E, G, D, Gs)`, or of a file of ours; told by content.

    Args:
        path: file name; its suffix does not matter.
        only: names of the fields of Models that are wanted, to save time and memory; None: all.
    Returns:
        Models.
    Raises:
        CheckpointError: missing or unreadable, neither format, damaged, or hostile; one line, nothing executed.
    """
    path = Path(path)
    try:
        native = False
        if path.is_file():      # opening a pipe would wait for its writer; `pickles` says what else is no file
            with open(path, "rb") as file:
                native = file.read(len(HDF5_SIGNATURE)) == HDF5_SIGNATURE
    except OSError as error:
        raise CheckpointError(f"{path}: {error.strerror or error}") from error
    try:
        models = _load_hdf5(path, only) if native else _from_records(pickles.read(path), only)
        return _checked(models)
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


def _checked(models):
    """The same models; ConversionError where the pictures or codes of another network are not the generator's."""
    generator = models.generator
    for network, name, sizes in ((models.encoder, "encoder", ("resolution", "num_layers", "dlatent_size")),
                                 (models.latent_discriminator, "latent discriminator", ("num_layers", "dlatent_size")),
                                 (models.attributes, "attribute network", ("resolution",))):
        if network is None or generator is None:
            continue
        found, expected = [tuple(getattr(n, size) for size in sizes) for n in (network, generator)]
        if found != expected:
            symbols = ", ".join({"resolution": "R", "num_layers": "L", "dlatent_size": "D"}[size] for size in sizes)
            raise conversion.ConversionError(f"{name} and generator do not fit: {symbols} are {found} and {expected}")
    return models


def _from_records(records, only):
    order = {4: ("encoder", "training_generator", "discriminator", "generator"),
             3: ("training_generator", "discriminator", "generator")}.get(len(records))
    if order is None:       # a single network, or an incomplete set: what a thing is says where it belongs
        fields = {kind: field for field, kind in NETWORK_CLASSES.items() if field != "training_generator"}
        order = [fields[conversion.network_class(record)] for record in records]
    networks = {}
    for field, record in zip(order, records):
        if conversion.network_class(record) is not NETWORK_CLASSES[field] or field in networks:
            raise conversion.ConversionError(
                f"expected (G, D, Gs) or (E, G, D, Gs); network {record.name!r} is not in its place")
        networks[field] = None if only is not None and field not in only else conversion.to_network(record)
    return Models(**networks)


def _to_records(models):
    if models.generator is None or models.discriminator is None:
        raise conversion.ConversionError("an official pickle needs a generator and a discriminator")
    for network, name in ((models.latent_discriminator, "a latent discriminator"),
                          (models.attributes, "an attribute network")):
        if network is not None:
            raise conversion.ConversionError(f"an official pickle has no place for {name}")
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
                with np.errstate(over="ignore"):
                    stored = array.astype(dtype)
                if not np.isfinite(stored[np.isfinite(array)]).all():
                    raise CheckpointError(f"{path}: {field.name}/{name} has values too large for {dtype}")
                group.create_dataset(name, data=stored)


def _load_hdf5(path, only):
    try:
        with h5py.File(path, "r") as file:
            if file.attrs.get("format") != FORMAT:
                raise CheckpointError(f"{path}: an HDF5 file, but not one of ours (no format={FORMAT!r}); Keras weight "
                                      "files hold no constructor arguments and cannot be opened here")
            if file.attrs.get("format_version") != FORMAT_VERSION:
                version = shown(str(file.attrs.get("format_version")))
                raise CheckpointError(f"{path}: format version {version}; this program reads version {FORMAT_VERSION}")
            unknown = sorted(set(file) - set(NETWORK_CLASSES))
            if unknown:
                raise CheckpointError(f"{path}: holds an unknown network {shown(unknown[0])}")
            wanted = [field for field in file if only is None or field in only]
            return Models(**{field: _read_network(path, file, field) for field in wanted})
    except (CheckpointError, weights.WeightsError):
        raise
    except Exception as error:      # a damaged file can fail anywhere in the HDF5 library
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise CheckpointError(f"{path}: damaged or truncated HDF5 file ({reason})") from error


def _read_network(path, file, field):
    group = _hard_linked(path, file, field)
    if not isinstance(group, h5py.Group):
        raise CheckpointError(f"{path}: {field!r} is no group")
    try:
        config = json.loads(group.attrs["config"])
        config = {key: tuple(value) if isinstance(value, list) else value for key, value in config.items()}
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{path}: the arguments of {field!r} cannot be read") from error
    return weights.build(NETWORK_CLASSES[field], config, _read_arrays(path, group))


def _read_arrays(path, group):
    """{name: float32 array} of all datasets below a group.

    Only plain ones, every object once, no more bytes in all than the file has: so memory is bounded by the file.
    """
    arrays, seen, left, pending = {}, set(), path.stat().st_size, [("", group)]
    while pending:
        prefix, group = pending.pop()
        for key in group:
            item, name = _hard_linked(path, group, key), prefix + key
            address = h5py.h5o.get_info(item.id).addr
            if address in seen:
                raise CheckpointError(f"{path}: {name!r} is stored under another name, too")
            seen.add(address)
            if isinstance(item, h5py.Group):
                pending.append((name + "/", item))
                continue
            if not _is_plain(item) or item.nbytes > left:
                raise CheckpointError(f"{path}: {name!r} is no plain stored array of floats")
            left -= item.nbytes
            arrays[name] = np.asarray(item[()], "float32")
    return arrays


def _is_plain(item):
    """Whether a member is a dataset of floats that lies uncompressed in this file, all of it."""
    return (isinstance(item, h5py.Dataset) and item.dtype.kind == "f" and item.chunks is None and not item.is_virtual
            and not item.external and item.id.get_storage_size() == item.size * item.dtype.itemsize)


def _hard_linked(path, group, key):
    """Member of a group; refuses soft and external links, which can point outside the file or in circles."""
    if not isinstance(group.get(key, getlink=True), h5py.HardLink):
        raise CheckpointError(f"{path}: {key!r} is a link to elsewhere")
    return group[key]
