"""Load and save model files: official pickles, PyTorch files of public projects, and this project's HDF5 files.

`load` recognises the format by the file's content and returns `Models` for all of them; `save` writes official pickles
and HDF5. The readers in `formats` describe the networks of a file, and this module builds them. Loading executes
nothing from a file.
"""
from __future__ import annotations

import dataclasses
import logging
from pathlib import Path

import keras

from tf_idinvert.errors import InputError
from tf_idinvert.files.paths import why_no_file
from tf_idinvert.formats import conversion, hdf5, pickles, torch_files, torch_layouts, weights
from tf_idinvert.formats import tuned as tuned_files
from tf_idinvert.formats.described import Described
from tf_idinvert.formats.untrusted import FileError, label

log = logging.getLogger(__name__)
NAMES = {"encoder": "encoder", "generator": "generator", "discriminator": "discriminator",
         "latent_discriminator": "latent discriminator", "training_generator": "training generator",
         "attributes": "attribute network"}
SHARED = {      # sizes that must equal the generator's
    "encoder": ("resolution", "num_layers", "dlatent_size"), "latent_discriminator": ("num_layers", "dlatent_size"),
    "attributes": ("resolution",),
}
SYMBOLS = {"resolution": "R", "num_layers": "L", "dlatent_size": "D"}


class CheckpointError(InputError):
    """A model file cannot be read or written; the message is one line and begins with the file's path."""


@dataclasses.dataclass
class Models:
    """The networks of one file, or of several files that belong together; absent networks are None.

    `generator` is the running average (Gs), which all tools use; `formats.weights.ENTRIES` lists the classes that a
    field may hold.

    Attributes (besides the fields):
        notes: tuple of text; for everything that a file leaves open, the assumption that `load` made.
        origins: {field: (format of its file, project whose layout it has)}, set by `load`.
    """

    encoder: keras.Model | None = None
    generator: keras.Model | None = None
    discriminator: keras.Model | None = None
    latent_discriminator: keras.Model | None = None
    training_generator: keras.Model | None = None   # G as trained, from which Gs is averaged
    attributes: keras.Model | None = None           # scores attributes of pictures; not one of the papers' networks

    def __post_init__(self):
        self.notes, self.origins = (), {}


def load(path, *more, only=None, final_activation=None, tuned=None):
    """Load the networks of one model file, or of several files that make one set.

    Args:
        path, *more: file names; the format is recognised by content, not by suffix. If a PyTorch file and one of
            another format hold the same network, the other one wins, because PyTorch files leave settings open.
        only: fields of Models to load, to save time and memory; None: all.
        final_activation: activation of the generators' images, 'tanh', 'sigmoid', 'softsign' or 'none'; it overrides
            the files. None: as the files say.
        tuned: file of pivotal tuning for this generator, whose changes of weights are added. None: no changes.
    Returns:
        Models; its `notes` are also logged as warnings.
    Raises:
        CheckpointError: a file is missing, unreadable, damaged, hostile or of an unknown format, or the networks do
            not fit each other.
        TunedError: `tuned` is missing, unreadable or damaged, or it is for another generator.
    """
    paths = [(Path(each), _head(Path(each))) for each in (path, *more)]
    networks, places, origins, notes = {}, {}, {}, []
    for path, head in sorted(paths, key=lambda each: torch_files.is_torch(each[1])):
        try:
            for each in _described(path, head, only, final_activation):
                if each.field not in networks:
                    networks[each.field], places[each.field] = _built(each, final_activation), (path, head)
                    origins[each.field] = each.origin, each.layout
                    notes += each.notes
                elif torch_files.is_torch(head) and not torch_files.is_torch(places[each.field][1]):
                    notes.append(f"{path}: left out its {NAMES[each.field]}, {places[each.field][0]} holds one")
                else:
                    raise InputError(f"holds another {NAMES[each.field]}; one is enough")
            _check_fit(Models(**networks))
        except FileError as error:
            raise CheckpointError(str(error)) from error
        except InputError as error:
            raise CheckpointError(f"{path}: {error}") from error
    models = Models(**networks)
    models.notes, models.origins = tuple(dict.fromkeys(notes)), origins
    for note in models.notes:
        log.warning("%s", note)
    if tuned is not None and (only is None or "generator" in only):
        require(models, path, "generator", why=f", which {tuned} could be added to")
        arrays = weights.export_arrays(models.generator.synthesis)
        digest = tuned_files.digest_of(models.generator.synthesis.get_config(), arrays)
        weights.assign_arrays(models.generator.synthesis, tuned_files.added(tuned, digest, arrays))
    return models


def _head(path):
    """Return the first bytes of a file, which identify its format; CheckpointError where no file is."""
    why = why_no_file(path, "a network file")
    if why:
        raise CheckpointError(f"{label(path)}: {why}")
    try:
        with open(path, "rb") as file:
            return file.read(64)
    except OSError as error:
        raise CheckpointError(f"{label(path)}: {error.strerror or error}") from error


def _described(path, head, only, final_activation):
    """Return the Described networks of a file."""
    if head.startswith(hdf5.SIGNATURE):
        return hdf5.describe(path, weights.ENTRIES, only)
    if torch_files.is_torch(head):
        return torch_layouts.describe(path, only, guess=final_activation is None)
    return conversion.describe(pickles.read(path), weights.ENTRIES, only, final_activation)


def _built(described, final_activation):
    """Build a network and fill in its weights."""
    entry = next(entry for entry in weights.ENTRIES if entry.network.__name__ == described.network)
    config = dict(described.config)
    if final_activation is not None and "final_activation" in entry.kinds:
        config["final_activation"] = None if final_activation == "none" else final_activation
    return weights.build(entry.network, config, described.arrays)


def save(models, path, dtype="float32"):
    """Write a model file atomically: an official pickle if `path` ends in .pkl, HDF5 if it ends in .h5 or .hdf5.

    Args:
        models: Models. An official pickle holds (G, D, Gs), or (E, G, D, Gs) with an encoder; if the trained G is
            missing, Gs takes its place too. An incomplete set is written with the networks that it has.
        path: file name.
        dtype: 'float32' or 'float16', the number type of weights in HDF5; a pickle always holds float32.
    Raises:
        CheckpointError: unknown suffix or dtype, a network that the format cannot hold, or the file cannot be written.
    """
    path = Path(path)
    try:
        if dtype not in ("float32", "float16"):
            raise InputError(f"dtype must be 'float32' or 'float16'; got {dtype!r}")
        if path.suffix.lower() == ".pkl":
            if dtype != "float32":
                raise InputError(f"an official pickle holds float32 weights, not {dtype}")
            pickles.write(path, _records(models))
        elif path.suffix.lower() in (".h5", ".hdf5"):
            hdf5.write(path, _networks(models), weights.ENTRIES, dtype)
        else:
            raise InputError("a model file ends in .pkl (official format) or .h5 (ours)")
    except FileError as error:
        raise CheckpointError(str(error)) from error
    except InputError as error:
        raise CheckpointError(f"{path}: {error}") from error
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be written: {error.strerror or error}") from error


def _networks(models):
    """Yield a Described for every network that is present."""
    for field in dataclasses.fields(models):
        network = getattr(models, field.name)
        if network is not None:
            yield Described(field.name, type(network).__name__, weights.stored_config(network),
                            weights.export_arrays(network))


def _records(models):
    """Return the records of an official pickle, in its order (E, G, D, Gs), without absent networks."""
    for field in ("latent_discriminator", "attributes"):
        if getattr(models, field) is not None:
            raise InputError(f"an official pickle has no place for a{'n' * (field == 'attributes')} {NAMES[field]}")
    training = models.training_generator
    if models.generator is not None and models.discriminator is not None:
        training = training or models.generator
    elif training is not None:      # only its place among the others would tell which generator it is
        raise InputError("an official pickle holds G beside Gs only where it holds D: leave out G")
    networks = [("E", models.encoder), ("G", training), ("D", models.discriminator), ("Gs", models.generator)]
    records = tuple(record(network, name) for name, network in networks if network is not None)
    if not records:
        raise InputError("there is no network to write")
    return records


def record(network, name):
    """Return the official record of a network; InputError if it has no official form."""
    entry = weights.entry_of(type(network))
    return conversion.record(Described(entry.fields[0], type(network).__name__, network.get_config(),
                                       weights.export_arrays(network)), entry, name)


def _check_fit(models):
    """Raise InputError if a network's pictures or codes have other sizes than the generator's."""
    for field, sizes in SHARED.items():
        network = getattr(models, field)
        if network is None or models.generator is None:
            continue
        found, expected = [tuple(getattr(each, size) for size in sizes) for each in (network, models.generator)]
        if found != expected:
            symbols = ", ".join(SYMBOLS[size] for size in sizes)
            raise InputError(f"{NAMES[field]} and generator do not fit: {symbols} are {found} and {expected}")


def require(models, path, *names, why=""):
    """Check that a file held the networks that the caller needs.

    Args:
        models: Models.
        path: path of their file, for the message.
        names: fields of Models, such as 'generator'.
        why: end of the message: the purpose, or what to do instead.
    Raises:
        CheckpointError: one of the networks is None.
    """
    for name in names:
        if getattr(models, name) is None:
            raise CheckpointError(f"{path}: holds no {NAMES[name]}{why}")
