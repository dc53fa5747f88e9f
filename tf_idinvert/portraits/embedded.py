"""What comes with the repository: trained portraits networks, boundaries of their attributes, and pictures to try on.

The files lie in the repository's folder `checkpoints`, beside the package; an installed package has that folder inside.
The pictures are rendered when they are asked for.
"""
from __future__ import annotations

from pathlib import Path

from tf_idinvert.errors import InputError
from tf_idinvert.files import images
from tf_idinvert.portraits import portrait

PACKAGE = Path(__file__).resolve().parents[1]
CHECKPOINTS = next((folder for folder in (PACKAGE / "checkpoints", PACKAGE.parent / "checkpoints") if folder.is_dir()),
                   PACKAGE / "checkpoints")
MODELS = ("portraits64-force-in-domain.h5", "portraits64-in-domain.h5", "portraits64-traditional.h5")  # best first
GENERATOR = "portraits64-stylegan.h5"
ATTRIBUTES = "portraits64-attributes.h5"
BOUNDARIES = "boundaries"       # a folder of NAME.npz
REASONS = "reasons.json"        # why claims of the papers do not hold for these networks, {name of the claim: reason}
SEED = 1000                     # `portraits.sample` draws none of the training's portraits (see `sets.chunks`)


class EmbeddedError(InputError):
    """A file that should come with the repository is not there; one line that says what to give instead."""


def model_path():
    """Path of the embedded model, encoder and generator: the best that is there.

    Raises:
        EmbeddedError: none is.
    """
    return _first(MODELS, "an embedded model", "a network file as the first argument")


def generator_path():
    """Path of the embedded generator as StyleGAN's training left it: G, D and Gs, without an encoder.

    Raises:
        EmbeddedError: it is not there.
    """
    return _first([GENERATOR], "the generator of portraits", "a network file of your own")


def attributes_path():
    """Path of the attribute network of the portraits: it scores attributes, and is their feature network F.

    Raises:
        EmbeddedError: it is not there.
    """
    return _first([ATTRIBUTES], "the attribute network of the portraits", "a file of your own")


def boundary_paths():
    """Paths of the embedded model's boundaries, {name: path}, in the order of `portraits.ATTRIBUTES`, then by name.

    Raises:
        EmbeddedError: there are none.
    """
    found = {path.stem: path for path in sorted((CHECKPOINTS / BOUNDARIES).glob("*.npz"))}
    if not found:
        raise EmbeddedError(_absent("boundaries of the embedded model", f"{BOUNDARIES}/NAME.npz",
                                    "a boundary file as the last argument"))
    order = [name for name in portrait.ATTRIBUTES if name in found]
    return {name: found[name] for name in [*order, *(name for name in found if name not in order)]}


def sample_pictures(folder, count, seed=SEED, resolution=64):
    """Held-out portraits in a folder, portrait1.png to portraitCOUNT.png; those that are there already are left alone.

    Args:
        folder: made where it is not there yet.
        count: number of pictures.
        seed: of `portraits.sample`; no seed below 2^32 gives a portrait that any network was trained on.
        resolution: side in pixels, a power of two from 16 to 256.
    Returns:
        Path of the folder.
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


def _first(names, what, instead):
    """Path of the first of the files that is there. EmbeddedError where none is."""
    for name in names:
        if (CHECKPOINTS / name).is_file():
            return CHECKPOINTS / name
    raise EmbeddedError(_absent(what, names[0], instead))


def _absent(what, name, instead):
    if CHECKPOINTS.is_dir():
        return f"{CHECKPOINTS / name}: {what} is not there; give {instead}"
    return f"{what}: not there, since this tf_idinvert runs without its folder 'checkpoints'; give {instead}"
