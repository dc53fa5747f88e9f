"""Files that come with the repository: networks trained on portraits and boundaries of attributes; sample pictures.

The files are in the repository's folder `checkpoints`; an installed package contains this folder. The sample pictures
are rendered when they are needed.
"""
from __future__ import annotations

import dataclasses
from pathlib import Path

from tf_idinvert.errors import InputError
from tf_idinvert.files import images
from tf_idinvert.portraits import portrait, scene

PACKAGE = Path(__file__).resolve().parents[1]
CHECKPOINTS = next((folder for folder in (PACKAGE / "checkpoints", PACKAGE.parent / "checkpoints") if folder.is_dir()),
                   PACKAGE / "checkpoints")
MODELS = ("portraits64-force-in-domain.h5", "portraits64-in-domain.h5", "portraits64-traditional.h5")  # best first
GENERATOR = "portraits64-stylegan.h5"
ATTRIBUTES = "portraits64-attributes.h5"
BOUNDARIES = "boundaries"       # folder of NAME.npz
DIRECTIONS = "directions"       # folder of METHOD_K.npz, found without labels
REASONS = "reasons.json"        # {name of a claim: reason why it does not hold for these networks}
WILD = "training"               # folder of the wild portraits' networks, which are still in training
SEED = 1000                     # no seed of `portraits.sample` gives a portrait of the training (see `sets.chunks`)


@dataclasses.dataclass(frozen=True)
class WorldFiles:
    """Where the files of a kind of portraits are; whether they exist is the caller's affair.

    Attributes:
        networks: pattern of a network's path, `networks.format("in-domain")`, ROLE, 'attributes' or 'judge'.
        boundaries: folder of NAME.npz.
        reasons: JSON file, see REASONS.
    """

    networks: str
    boundaries: Path
    reasons: Path

    def network(self, name):
        return Path(self.networks.format(name))


def files_of(world):
    """Return the WorldFiles of 'portraits' or 'wild'."""
    folder, prefix = (CHECKPOINTS, "portraits64") if world == "portraits" else (CHECKPOINTS / WILD, "wild64")
    return WorldFiles(str(folder / f"{prefix}-{{}}.h5"), folder / BOUNDARIES, folder / REASONS)


class EmbeddedError(InputError):
    """A file of the repository is missing; the message is one line that says what to give instead."""


def model_path():
    """Return the path of the embedded model with encoder and generator: the best one that exists.

    Raises:
        EmbeddedError: none exists.
    """
    return _first(MODELS, "an embedded model", "a network file as the first argument")


def generator_path(world="portraits"):
    """Return the path of the embedded generator: G, D and Gs of the StyleGAN training, without an encoder.

    Args:
        world: 'portraits' or 'wild', see `files_of`.
    Raises:
        EmbeddedError: the file does not exist.
    """
    return _first([files_of(world).network("stylegan")], "the generator of portraits", "a network file of your own")


def attributes_path(world="portraits"):
    """Return the path of the portraits' attribute network, which scores attributes and is the feature network F.

    Args, Raises: as `generator_path`.
    """
    return _first([files_of(world).network("attributes")], "the attribute network of the portraits",
                  "a file of your own")


def attributes_for(model_path):
    """Return the path of the embedded attribute network if it exists and the model is embedded, too; else None."""
    try:
        path = attributes_path()
    except EmbeddedError:
        return None
    return path if Path(str(model_path)).resolve().parent == path.parent else None


def boundary_paths(world="portraits"):
    """Return the embedded model's boundaries, {name: path}, in the order of `portraits.ATTRIBUTES`, then by name.

    Args:
        world: of the model, see `files_of`.
    Raises:
        EmbeddedError: no boundary exists.
    """
    folder = files_of(world).boundaries
    found = {path.stem: path for path in sorted(folder.glob("*.npz"))}
    if not found:
        raise EmbeddedError(_absent("a boundary of the embedded model", folder / "NAME.npz",
                                    "a boundary file as the last argument"))
    order = [name for name in portrait.ATTRIBUTES if name in found]
    return {name: found[name] for name in [*order, *(name for name in found if name not in order)]}


def direction_paths():
    """Return {name: path} of the embedded model's directions, which were found without labels; {} if absent."""
    return {path.stem: path for path in sorted((CHECKPOINTS / DIRECTIONS).glob("*.npz"))}


def sample_pictures(folder, count, seed=SEED, resolution=64):
    """Render held-out portraits to a folder, portrait1.png to portraitCOUNT.png; existing files are kept.

    Args:
        folder: output folder; it is created if necessary.
        count: number of pictures.
        seed: seed of `portraits.sample`; no seed below 2^32 gives a portrait that a network was trained on.
        resolution: side in pixels, a power of two from 16 to 256.
    Returns:
        path of the folder.
    Raises:
        OSError, InputError: the folder or a picture cannot be written.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"portrait{i + 1}.png" for i in range(count)]
    if not all(path.exists() for path in paths):
        for path, picture in zip(paths, portrait.sample(count, seed, resolution)[0]):
            if not path.exists():
                images.save(path, picture)
    return folder


def sample_scene(folder, seed=SEED):
    """Path of a photograph with several held-out portraits at odd angles, scene.png; drawn where it is not there yet.

    Args:
        folder: made where it is not there yet.
        seed: as of `sample_pictures`; another has a file of its own.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ("scene.png" if seed == SEED else f"scene{seed - SEED + 1}.png")
    if not path.exists():
        images.save(path, scene.scene(seed)[0])
    return path


def _first(names, what, instead):
    """Return the path of the first file that exists, of names in CHECKPOINTS or whole paths; else EmbeddedError."""
    for name in names:
        if (CHECKPOINTS / name).is_file():
            return CHECKPOINTS / name
    raise EmbeddedError(_absent(what, names[0], instead))


def _absent(what, name, instead):
    if CHECKPOINTS.is_dir():
        return f"{CHECKPOINTS / name}: {what} is not there; give {instead}"
    return f"{what}: not there, since this tf_idinvert runs without its folder 'checkpoints'; give {instead}"
