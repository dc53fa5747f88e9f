"""Load networks, judges and boundaries of an evaluation from files, with one-line errors."""
from __future__ import annotations

from pathlib import Path

import tensorflow as tf

from tf_idinvert import boundaries, checkpoint, features
from tf_idinvert.errors import InputError
from tf_idinvert.evaluation.measures import Judge, PairDistance
from tf_idinvert.evaluation.papers.methods import Networks
from tf_idinvert.evaluation.quality.pictures import PORTRAITS
from tf_idinvert.files import digests
from tf_idinvert.files.digests import file_digest
from tf_idinvert.formats import hdf5, torch_files, torch_measures
from tf_idinvert.formats.untrusted import opened
from tf_idinvert.formats.weights import export_arrays
from tf_idinvert.losses import mean_squared_difference
from tf_idinvert.networks.inception import FIDInception, InceptionFeatures
from tf_idinvert.portraits import embedded


def load(files, *names, optional=(), final_activation=None, tuned=None):
    """Return networks of a file, or of several files that make one set, in the order of `names` and `optional`.

    Args:
        files: path of a network file, or list of paths.
        names: fields of `checkpoint.Models`, such as 'generator'.
        optional: further fields, None if absent in the file.
        final_activation, tuned: see `checkpoint.load`.
    Raises:
        InputError: a file cannot be read, or they lack a network in `names`.
    """
    files = files if isinstance(files, (list, tuple)) else [files]
    models = checkpoint.load(*files, only=(*names, *optional), final_activation=final_activation,
                             tuned=tuned)
    checkpoint.require(models, ", ".join(map(str, files)), *names)
    return [getattr(models, name) for name in (*names, *optional)]


def load_attributes(path, resolution=None, parts=False):
    """Return the attribute network of a file.

    Args:
        path: network file.
        resolution: side R of the generator's pictures; None: any.
        parts: whether to accept a network of half the resolution, which scores crops of the pictures.
    Raises:
        InputError: as `load`, or the network is for another resolution.
    """
    network, = load(path, "attributes")
    if resolution not in (None, network.resolution, 2 * network.resolution if parts else None):
        raise InputError(f"{path}: for pictures of {network.resolution} px; the generator's have {resolution}")
    return network


def load_portraits_attributes(path, resolution=None, world=PORTRAITS):
    """Return the attribute network of a file, for rendered portraits.

    Args:
        path: network file.
        resolution: side R of the pictures; None: the network's.
        world: World of the portraits.
    Raises:
        InputError: as `load`, or the network's resolution or attributes are not those of the world.
    """
    network, = load(path, "attributes")
    resolution = resolution or network.resolution
    if resolution not in world.resolutions or resolution not in {network.resolution * each for each in world.parts}:
        raise InputError(f"{path}: for pictures of {network.resolution} px; the generator's have {resolution}; "
                         f"expected one of {', '.join(map(str, world.resolutions))}")
    unknown = sorted(set(network.names) - set(world.names))
    if unknown:
        raise InputError(f"{path}: attribute {unknown[0]!r} is none of the portraits'")
    return network


def load_networks(paths, final_activation=None):
    """Load encoders and their generators.

    Args:
        paths: {role: list of the files of a set}, at least one.
        final_activation: see `checkpoint.load`.
    Returns:
        ({role: Networks}, notes).
    Raises:
        InputError: a file lacks encoder or generator, or sizes differ.
    """
    found, generators, sizes = {}, set(), {}
    for role, files in paths.items():
        encoder, generator = load(files, "encoder", "generator", final_activation=final_activation)
        found[role] = Networks(", ".join(Path(path).name for path in files), " ".join(
            [*map(file_digest, files), *filter(None, [final_activation])]), encoder, generator)
        generators.add(digests.digest([digests.array_digest(each) for each in export_arrays(generator).values()]))
        sizes[generator.resolution, generator.num_layers, generator.dlatent_size] = ", ".join(map(str, files))
    if len(sizes) > 1:
        raise InputError("the encoders' networks are of unlike sizes: " + "; ".join(
            f"{path}: {size[0]} px, {size[1]} layers of {size[2]}" for size, path in sizes.items()))
    return found, [] if len(generators) == 1 else [
        "The encoders' files hold different generators: each was used with its own."]


def _compiled(measure):
    return tf.function(measure, reduce_retracing=True, autograph=False)


def load_judge(path, inception, resolution, second=None):
    """Load the networks that measure Fréchet distances and score attributes.

    Args:
        path: path of an attribute network; None: none.
        inception: path of pytorch-fid's Inception (.pth), or of InceptionV3 'notop' weights of Keras (.h5); None: the
            embedding of the attribute network.
        resolution: side of the pictures in pixels.
        second: path of another attribute network, whose embedding decides instead of the first one's, which becomes the
            judge's second; a network of half the resolution scores crops of the pictures.
    Returns:
        (attribute network or None, Judge or None).
    Raises:
        InputError: a file lacks the network, or it is for other pictures.
    """
    network = None if path is None else load_attributes(path, resolution)
    score = network and _compiled(network.predict_attributes)
    binary = network.binary if network else ()
    digests = [file_digest(each, "a network file") for each in (path, second, inception) if each]
    if inception:
        embed, about = load_inception(inception)
        return network, Judge("FID", about, _compiled(embed), score, binary, " ".join(digests))
    own = network and Judge("FD", _about(path), _compiled(network.embedding), score, binary, digests[0])
    if second is None:
        return network, own
    judging = load_attributes(second, resolution, parts=True)
    return network, Judge("FD", _about(second), _compiled(judging.embedding), score, binary, " ".join(digests), own)


def _about(path):
    return f"the embedding of the attribute network {Path(path).name} (not comparable with FID)"


def load_inception(path):
    """Return (Inception, one-line description) of a PyTorch or HDF5 file, which is recognised by its content."""
    name, resized = Path(path).name, "pictures resized to 299 px (bilinear, without antialiasing)"
    with opened(path, "file of Inception's weights") as (file, _):
        head = file.read(64)
    if not head.startswith(hdf5.SIGNATURE) and not torch_files.is_torch(head):
        raise InputError(f"{path}: neither pytorch-fid's Inception (.pth) nor weights of Keras' InceptionV3 (.h5)")
    if torch_files.is_torch(head):
        weights = torch_measures.inception_weights(path)
        try:
            network = FIDInception(weights)
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
        return network, (
            f"Inception of 2015-12-05, weights and graph of published FID values, from pytorch-fid's {name}, 2048 "
            f"pooled features, {resized} as pytorch-fid does")
    return InceptionFeatures(path), (f"Inception, Keras' weights {name} (not comparable with published FID values), "
                                     f"2048 pooled features, {resized}")


def load_lpips(files, resolution):
    """Return the `PairDistance` of LPIPS with VGG16 from its two files; see `features.load_lpips`."""
    network = features.load_lpips(files, resolution)

    def distance(pictures, others):
        return mean_squared_difference(network(pictures), network(others))

    return PairDistance("LPIPS", "LPIPS: by VGG16, version 0.1, pictures not resized", _compiled(distance),
                        " ".join(map(file_digest, files)))


def load_boundaries(folder, generator, world="portraits"):
    """Load boundaries for a generator.

    Args:
        folder: folder of boundary files; None: the embedded model's boundaries as far as they fit.
        generator: Generator.
        world: of the embedded model, see `embedded.files_of`.
    Returns:
        ({name: Boundary}, notes).
    Raises:
        InputError: the folder holds no boundary, or one that does not fit.
    """
    try:
        paths = embedded.boundary_paths(world).values() if folder is None else [folder]
    except embedded.EmbeddedError as error:
        return {}, [f"No manipulations: {error}"]
    found, notes = {}, []
    for name, boundary in boundaries.read_all(paths).items():
        try:
            found[name] = boundary.for_network(generator.num_layers, generator.dlatent_size)
        except boundaries.BoundaryError as error:
            if folder:
                raise InputError(f"{folder}: boundary {name}: {error}") from error
            notes.append(f"Boundary {name} left out: {error}")
    return found, notes
