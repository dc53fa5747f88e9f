"""A SavedModel of the networks, for TensorFlow Serving, or for plain TensorFlow without this package.

    encode       images -> codes                                                    E
    synthesize   codes -> images                                                    G
    sample       z, psi (, labels) -> images, codes                                 G and its mapping, truncated
    reconstruct  images -> images, codes                                            G(E(x)); the default signature
    invert       images, steps, learning_rate -> images, codes, four losses         the optimisation, from E(x)
    manipulate   codes, attribute, distance -> images, codes        w + distance * n; where a boundary changes styles,
                                                                    codes stay as they are

and each again as NAME_bytes, with `image_bytes` (PNG or JPEG strings in, of any size; PNG strings out) for `images`.
Every input and output has a first axis of N rows, and a row's results depend on its own inputs only, so that a server
may put calls together. Images are float32 [N, R, R, 3] in [-1, 1], codes [N, L, D]; psi, learning_rate and distance are
float32 [N], steps int32 [N], attribute strings [N]: a boundary's name, or its number as a string.

Requests outside the bounds are answered with one line: see `checks` and `picture_bytes` for the bounds.
Source: the guides of TensorFlow Serving for the folder; Zhu et al. 2020 (In-Domain GAN Inversion) for the methods.
"""
from __future__ import annotations

import contextlib
import io
import os
import shutil
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from tf_idinvert.errors import InputError, reason
from tf_idinvert.inversion import InversionOptions
from tf_idinvert.serving import batched_inversion, checks, half_weights, picture_bytes, server_files
from tf_idinvert.serving.moves import Moves

MAX_STEPS = 1000            # of a call to `invert`
MAX_LEARNING_RATE = 1.0



class Signature:
    """A signature of the model.

    Args:
        name: its name.
        function: callable, tensors -> {name: tensor}.
        inputs: tf.TensorSpec of each of the tensors, which are compared with it when the function runs.
    """

    def __init__(self, name, function, inputs):
        self.name, self.inputs = name, inputs
        self.function = _traced(lambda *tensors: _finite(function(*checks.rows(inputs, tensors))), inputs)

    def call(self, *tensors):
        return self.function(*tensors)

    def on_bytes(self, load, encode):
        """The same with encoded pictures; `load` and `encode` as in `serving.picture_bytes`."""
        def function(*tensors):
            results = self.function(*(load(tensor) if spec.name == "images" else tensor
                                      for spec, tensor in zip(self.inputs, tensors)))
            return {**({"image_bytes": encode(results["images"])} if "images" in results else {}),
                    **{name: tensor for name, tensor in results.items() if name != "images"}}

        inputs = [_spec("image_bytes", dtype=tf.string) if spec.name == "images" else spec for spec in self.inputs]
        return Signature(f"{self.name}_bytes", function, inputs)


def export(models, folder, *, version=None, boundaries=None, features=None, options=InversionOptions(), half=False,
           label=None, only=None):
    """Write FOLDER/VERSION, a SavedModel with warm-up requests, whole or not at all.

    Args:
        models: Models with a generator; without an encoder there are only `synthesize`, `sample` and `manipulate`.
        folder: the model's folder; its name is the model's.
        version: whole number, 1 or more; None: one more than the highest there.
        boundaries: {attribute: boundaries.Boundary}; none: no `manipulate`.
        features: as for `inversion.Inversion`: images -> features, or None for no feature term.
        options: InversionOptions, of which only the weights of the terms count.
        label: of a conditional generator, from 0: `sample` draws this class and has no input `labels`.
        only: names of the signatures to write, none of them one that takes or gives bytes; None: all.
        half: store weights as float16, in half the bytes; they are read as float32. The features are left as they are.
    Returns:
        Path of the version's folder.
    Raises:
        InputError: no generator, a boundary for another network, a version that exists, a file that cannot be written.
        InputError: with `half`, weights beyond the range of float16.
    """
    folder = Path(folder)
    _check(models, folder)
    generator, encoder = models.generator, models.encoder
    moves = Moves(boundaries or {}, generator)
    target = folder / str(_version(folder, version))
    temporary = folder / f".{target.name}.{os.getpid()}"
    try:
        temporary.mkdir(parents=True)
        if half:
            generator, encoder = (each and half_weights.halved(each) for each in (generator, encoder))
        signatures = _Served(generator, encoder, moves, features, options, label).signatures()
        signatures = _both(signatures, generator) if only is None else [
            each for each in signatures if each.name in only]
        _write(temporary, signatures)
        extra = temporary / "assets.extra"
        extra.mkdir()
        server_files.write_warm_up(extra / server_files.WARM_UP, folder.name,
                                   [(each.name, _example(each, generator, moves.names)) for each in signatures])
        os.rename(temporary, target)
    except (OSError, tf.errors.OpError) as error:
        raise InputError(f"{target}: cannot be written: {reason(error)}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return target


def _check(models, folder):
    """InputError unless there is a generator of RGB images and the folder's name can be a model's."""
    if not server_files.is_name(folder.name):
        raise InputError(f"{folder}: a model's name has letters, digits, '_', '-' and '.', at most 100; "
                         f"got {folder.name!r}")
    if models.generator is None:
        raise InputError("there is no generator among the networks")
    if models.generator.synthesis.get_config()["num_channels"] != 3:
        raise InputError("the generator's images are not RGB")


class _Served:
    """The functions behind the signatures; each takes tensors in the order of its inputs and gives a dictionary."""

    def __init__(self, generator, encoder, moves, features, options, label=None):
        self.label = label
        self.generator, self.encoder, self.features, self.options = generator, encoder, features, options
        self.moves, self.names = moves, moves.names

    def signatures(self):
        """List of Signature, the default one first."""
        images = _spec("images", self.generator.resolution, self.generator.resolution, 3)
        codes = _spec("codes", self.generator.num_layers, self.generator.dlatent_size)
        found, sample = [], [_spec("z", self.generator.latent_size), _spec("psi")]
        if self.generator.label_size and self.label is None:
            sample.append(_spec("labels", self.generator.label_size))
        if self.encoder is not None:
            steps, rate = _spec("steps", dtype=tf.int32), _spec("learning_rate")
            found += [Signature("reconstruct", self.reconstruct, [images]), Signature("encode", self.encode, [images]),
                      Signature("invert", self.invert, [images, steps, rate])]
        found += [Signature("sample", self.sample, sample), Signature("synthesize", self.synthesize, [codes])]
        if self.names:
            attribute = _spec("attribute", dtype=tf.string)
            found.append(Signature("manipulate", self.manipulate, [codes, attribute, _spec("distance")]))
        return found

    def encode(self, images):
        return {"codes": self.encoder(images)}

    def synthesize(self, codes):
        return {"images": self.generator.synthesis(codes)}

    def reconstruct(self, images):
        codes = self.encoder(images)
        return {"images": self.generator.synthesis(codes), "codes": codes}

    def sample(self, z, psi, labels=None):
        if self.label is not None:
            labels = tf.one_hot(tf.fill([tf.shape(z)[0]], self.label), self.generator.label_size)
        codes = self.generator.mapping(z, labels=labels)
        codes = self.generator.truncate(codes, psi[:, None, None], self.generator.truncation_cutoff)
        return {"images": self.generator.synthesis(codes), "codes": codes}

    def invert(self, images, steps, learning_rate):
        steps = checks.within("steps", steps, 0, MAX_STEPS)
        learning_rate = checks.within("learning_rate", learning_rate, 0.0, MAX_LEARNING_RATE)
        return batched_inversion.optimise(images, steps, learning_rate, synthesis=self.generator.synthesis,
                                          encoder=self.encoder, features=self.features, options=self.options)

    def manipulate(self, codes, attribute, distance):
        count = len(self.names)
        matches = attribute[:, None] == tf.constant([*self.names, *map(str, range(count))])         # [N, 2 K]
        known = ", ".join(f"{name} ({i})" for i, name in enumerate(self.names))
        matches = checks.require(matches, tf.reduce_all(tf.reduce_any(matches, axis=1)),
                                 f"attribute: expected one of {known}; got", checks.printable(attribute))
        chosen = tf.argmax(tf.cast(matches, tf.int32), axis=1) % count
        codes, offsets = self.moves(codes, chosen, distance)
        styles = {} if offsets is None else {"style_offsets": offsets}
        return {"images": self.generator.synthesis(codes, **styles), "codes": codes}


def _finite(results):
    """{name: tensor}, once all numbers are finite: codes within the bounds may still be none that a network draws."""
    return {name: checks.finite(name, tensor) if tensor.dtype.is_floating else tensor
            for name, tensor in results.items()}


def _both(signatures, generator):
    """The signatures, and each again on encoded pictures."""
    side, load = generator.resolution, None
    if any(spec.name == "images" for signature in signatures for spec in signature.inputs):
        load = _traced(lambda data: picture_bytes.load(data, side), [_spec("image_bytes", dtype=tf.string)])
    encode = _traced(picture_bytes.encode, [_spec("images", side, side, 3)])
    return signatures + [signature.on_bytes(load, encode) for signature in signatures]


def _traced(function, inputs):
    """The graph of a function of tensors as `inputs` specify them; what calls it shares it."""
    return tf.function(function, autograph=False).get_concrete_function(*inputs)


def _spec(name, *shape, dtype=tf.float32):
    return tf.TensorSpec([None, *shape], dtype, name)


def _version(folder, version):
    try:
        there = {int(path.name) for path in folder.iterdir() if path.name.isdecimal()} if folder.exists() else set()
    except OSError as error:
        raise InputError(f"{folder}: {error.strerror or error}") from error
    version = max(there, default=0) + 1 if version is None else version
    if version < 1 or version in there:
        raise InputError(f"{folder}: version {version} " + ("is there already" if version in there else
                         "is no version: expected 1 or more"))
    return version


def _write(folder, signatures):
    archive = keras.export.ExportArchive()
    for signature in signatures:
        # Keras and TensorFlow trace an endpoint three times: only this call, not all that is in it.
        archive.add_endpoint(signature.name, signature.call, input_signature=signature.inputs)
    # what is served is not derived by: gradients of custom_gradient need not be traced and stored
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    with contextlib.redirect_stdout(io.StringIO()):     # Keras lists the endpoints
        archive.write_out(str(folder), options=options)


def _example(signature, generator, names):
    """{input: array of one row} that the signature accepts."""
    side = generator.resolution
    strings = {"image_bytes": tf.io.encode_png(np.zeros([side, side, 3], np.uint8)).numpy(), "attribute": names[:1]}
    example = {}
    for spec in signature.inputs:
        shape = [1, *spec.shape.as_list()[1:]]
        example[spec.name] = (np.array(strings[spec.name]).reshape(1) if spec.dtype == tf.string
                              else np.ones(shape, spec.dtype.as_numpy_dtype))
    return example
