"""InceptionV3's last pooled features, for Fréchet distances of photographs.

`FIDInception` is the graph of 2015-12-05 that published FID values use, with the weights that pytorch-fid distributes.
`InceptionFeatures` is the network of `keras.applications` with its ImageNet weights; its distances are not comparable
with published ones. The graphs differ in one pooling layer only, but all weights differ.


Source: Szegedy et al. 2016 (Rethinking the Inception architecture); Heusel et al. 2017 for the distance; for the graph
of 2015-12-05 the public code of pytorch-fid (mseitzer/pytorch-fid, inception.py).
"""
from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import h5py
import keras
import numpy as np
import tensorflow as tf

from tf_idinvert.errors import InputError
from tf_idinvert.networks.perceptual import FeaturesError

SIDE = 299              # side of the training pictures in pixels
WIDTH = 2048            # number of the last pooled features
WIDEST = 448            # largest number of channels of a convolution


# -------------------------------------------------------------------------------------- the graph of published FID

class Convolution(NamedTuple):
    """A convolution with folded batch norm, followed by ReLU."""
    name: str
    height: int = 1
    width: int = 1
    stride: int = 1
    padding: str = "SAME"


class Branches(NamedTuple):
    """Chains of steps on the same input with concatenated outputs; `name` is the prefix of their convolutions."""
    name: str
    chains: tuple


POOLINGS = {
    "mean": lambda x: tf.nn.avg_pool2d(x, 3, 1, "SAME"),        # the mean over pixels inside the border
    "max": lambda x: tf.nn.max_pool2d(x, 3, 1, "SAME"),
    "max, halving": lambda x: tf.nn.max_pool2d(x, 3, 2, "VALID"),
}


def _a(name):
    return Branches(name, (
        (Convolution("branch1x1"),),
        (Convolution("branch5x5_1"), Convolution("branch5x5_2", 5, 5)),
        (Convolution("branch3x3dbl_1"), Convolution("branch3x3dbl_2", 3, 3), Convolution("branch3x3dbl_3", 3, 3)),
        ("mean", Convolution("branch_pool"))))


def _b(name):
    return Branches(name, (
        (Convolution("branch3x3", 3, 3, 2, "VALID"),),
        (Convolution("branch3x3dbl_1"), Convolution("branch3x3dbl_2", 3, 3),
         Convolution("branch3x3dbl_3", 3, 3, 2, "VALID")),
        ("max, halving",)))


def _c(name):
    return Branches(name, (
        (Convolution("branch1x1"),),
        (Convolution("branch7x7_1"), Convolution("branch7x7_2", 1, 7), Convolution("branch7x7_3", 7, 1)),
        (Convolution("branch7x7dbl_1"), Convolution("branch7x7dbl_2", 7, 1), Convolution("branch7x7dbl_3", 1, 7),
         Convolution("branch7x7dbl_4", 7, 1), Convolution("branch7x7dbl_5", 1, 7)),
        ("mean", Convolution("branch_pool"))))


def _d(name):
    return Branches(name, (
        (Convolution("branch3x3_1"), Convolution("branch3x3_2", 3, 3, 2, "VALID")),
        (Convolution("branch7x7x3_1"), Convolution("branch7x7x3_2", 1, 7), Convolution("branch7x7x3_3", 7, 1),
         Convolution("branch7x7x3_4", 3, 3, 2, "VALID")),
        ("max, halving",)))


def _e(name, pooling):
    def spread(branch):         # 1x3 and 3x1 in parallel
        return Branches(name, ((Convolution(f"{branch}a", 1, 3),), (Convolution(f"{branch}b", 3, 1),)))

    return Branches(name, (
        (Convolution("branch1x1"),),
        (Convolution("branch3x3_1"), spread("branch3x3_2")),
        (Convolution("branch3x3dbl_1"), Convolution("branch3x3dbl_2", 3, 3), spread("branch3x3dbl_3")),
        (pooling, Convolution("branch_pool"))))


GRAPH = (
    Convolution("Conv2d_1a_3x3", 3, 3, 2, "VALID"), Convolution("Conv2d_2a_3x3", 3, 3, 1, "VALID"),
    Convolution("Conv2d_2b_3x3", 3, 3), "max, halving",
    Convolution("Conv2d_3b_1x1"), Convolution("Conv2d_4a_3x3", 3, 3, 1, "VALID"), "max, halving",
    _a("Mixed_5b"), _a("Mixed_5c"), _a("Mixed_5d"), _b("Mixed_6a"), _c("Mixed_6b"), _c("Mixed_6c"), _c("Mixed_6d"),
    _c("Mixed_6e"), _d("Mixed_7a"), _e("Mixed_7b", "mean"), _e("Mixed_7c", "max"))      # 'max' as published


def convolutions(chain=GRAPH, prefix=""):
    """Yield (full name, Convolution) of all convolutions; a name is such as 'Mixed_5b.branch1x1'."""
    for step in chain:
        if isinstance(step, Convolution):
            yield prefix + step.name, step
        elif isinstance(step, Branches):
            for inner in step.chains:
                yield from convolutions(inner, f"{step.name}.")


class FIDInception:
    """Callable, images [N, H, W, 3] in [-1, 1] -> features [N, 2048].

    Pictures of other sides are resized to 299 px bilinearly, between half-pixel centres and without antialiasing, as
    pytorch-fid does.

    Args:
        weights: {full name of a convolution: (kernel [h, w, in, out], bias [out])}, batch norm folded in; narrower
            networks than the published one give fewer features.
    Raises:
        InputError: a kernel does not fit the graph.
    """

    def __init__(self, weights):
        _outputs(GRAPH, 3, weights)
        self.weights = {name: tuple(map(tf.constant, each)) for name, each in weights.items()}

    def __call__(self, images):
        if images.shape[1:3] != (SIDE, SIDE):
            images = tf.image.resize(images, (SIDE, SIDE))
        return tf.reduce_mean(self._run(GRAPH, images), axis=(1, 2))

    def _run(self, chain, x, prefix=""):
        for step in chain:
            if isinstance(step, Branches):
                x = tf.concat([self._run(inner, x, f"{step.name}.") for inner in step.chains], axis=-1)
            elif isinstance(step, Convolution):
                kernel, bias = self.weights[prefix + step.name]
                x = tf.nn.relu(tf.nn.conv2d(x, kernel, step.stride, step.padding) + bias)
            else:
                x = POOLINGS[step](x)
        return x


def _outputs(chain, channels, weights, prefix=""):
    """Return the number of channels after a chain of steps; InputError if a kernel does not fit its input."""
    for step in chain:
        if isinstance(step, Branches):
            channels = sum(_outputs(inner, channels, weights, f"{step.name}.") for inner in step.chains)
        elif isinstance(step, Convolution):
            name = prefix + step.name
            shape, outputs = weights[name][0].shape, weights[name][0].shape[-1]
            if shape != (step.height, step.width, channels, outputs) or weights[name][1].shape != (outputs,):
                raise InputError(f"{name}: a kernel {list(shape)}, expected [{step.height}, {step.width}, {channels}, "
                                 "outputs]")
            if not 0 < outputs <= WIDEST:
                raise InputError(f"{name}: {outputs} channels, more than InceptionV3 has anywhere")
            channels = outputs
    return channels


# --------------------------------------------------------------------------------------------------- that of Keras

class InceptionFeatures:
    """Callable, images [N, H, W, 3] in [-1, 1] -> features [N, 2048]; it resizes images to 299 px (bilinear).

    Args:
        weights: path of Keras' file `inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5`.
    Raises:
        FeaturesError: the file cannot be read, or is not InceptionV3's.
    """

    def __init__(self, weights):
        self.model = keras.applications.InceptionV3(include_top=False, weights=None, pooling="avg",
                                                    input_shape=(SIDE, SIDE, 3))
        self.model.trainable = False
        _load(self.model, weights)

    def __call__(self, images):
        if images.shape[1:3] != (SIDE, SIDE):
            images = tf.image.resize(images, (SIDE, SIDE))
        return self.model(images, training=False)


def _load(model, path):
    """Fill the layers in order from a Keras 'notop' HDF5 file; arrays of other shapes are not read."""
    layers = [layer for layer in model.layers if layer.weights]
    try:
        if not Path(path).is_file():        # opening a pipe would wait for its writer
            raise OSError
        with h5py.File(path, "r") as file:
            stored = [group for group in (file[name] for name in file.attrs["layer_names"])
                      if len(group.attrs["weight_names"])]
            if len(stored) != len(layers):
                raise FeaturesError(f"{path}: not the weights of InceptionV3 without top: {len(stored)} layers with "
                                    f"weights, expected {len(layers)}")
            for layer, group in zip(layers, stored):
                items = [group[name] for name in group.attrs["weight_names"]]
                if [item.shape for item in items] != [tuple(weight.shape) for weight in layer.weights]:
                    raise FeaturesError(f"{path}: not the weights of InceptionV3 without top: {group.name[1:]!r} does "
                                        "not fit")
                layer.set_weights([np.asarray(item, "float32") for item in items])
    except OSError as error:
        reason = "not an HDF5 file, or damaged" if Path(path).is_file() else "no such file"
        raise FeaturesError(f"{path}: InceptionV3 weights cannot be read: {reason}") from error
    except FeaturesError:
        raise
    except Exception as error:      # a damaged file can fail anywhere in the HDF5 library
        raise FeaturesError(f"{path}: not the weights of InceptionV3 without top ({type(error).__name__})") from error
