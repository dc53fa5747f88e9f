"""Perceptual features F: VGG16 up to `block4_conv3`, several of its layers, or a layer of any Keras model.

Source: Zhu et al. 2020 (In-Domain GAN Inversion), section 3.1 (conv4_3 of VGG); weights and preprocessing are those of
`keras.applications.VGG16`. The papers of this project compare one layer; several weighted layers are compared in Gatys
et al. 2016 and Johnson et al. 2016.
"""
from __future__ import annotations

import copy
from pathlib import Path

import h5py
import keras
import numpy as np
import tensorflow as tf

from tf_idinvert.errors import InputError, first_line

VGG16_LAYER = "block4_conv3"
CAFFE_MEAN = (103.939, 116.779, 123.68)      # means of blue, green, red over ImageNet, as in Keras' VGG preprocessing


class FeaturesError(InputError):
    """Perceptual weights cannot be downloaded or read; the message is one line."""


class VGG16Features:
    """F: images [N, H, W, 3] in [-1, 1] -> features [N, h, w, 512] of `block4_conv3`, after ReLU.

    It scales images to 0..255, converts them to BGR and subtracts the mean.

    Args:
        weights: 'imagenet' (Keras downloads it once and caches it), or the path of Keras' file
            `vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5`.
    Raises:
        FeaturesError: the weights cannot be downloaded, or the file is not VGG16's.
    """

    weight = 5e-5       # lambda_vgg of the published code

    def __init__(self, weights="imagenet"):
        fetch = weights == "imagenet"
        try:
            vgg = keras.applications.VGG16(include_top=False, weights="imagenet" if fetch else None)
        except Exception as error:      # no network: the exception depends on the platform
            raise FeaturesError(f"the ImageNet weights of VGG16 could not be fetched ({first_line(error)}); "
                                "give the path of vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5 instead") from error
        self.model = keras.Model(vgg.inputs[0], vgg.get_layer(VGG16_LAYER).output)
        self.model.trainable = False
        if not fetch:
            _load_keras_weights(self.model, weights)

    def __call__(self, images):
        bgr = (images[..., ::-1] + 1.0) * 127.5
        return self.model(bgr - tf.constant(CAFFE_MEAN, bgr.dtype), training=False)

    def at_layer(self, name):
        """Return F that ends in another layer, up to block4_conv3, after its ReLU; it has the same weights."""
        other = copy.copy(self)
        other.model = keras.Model(self.model.inputs[0], self.model.get_layer(name).output)
        return other


class VGG16Layers(VGG16Features):
    """F: images [N, H, W, 3] in [-1, 1] -> [N, K], the features of several layers, concatenated and scaled so that

        mean of squared differences over K = sum over layers of weight * mean of squared differences in the layer.

    Args:
        layers: {name of a layer up to block4_conv3: weight, > 0}.
        weights: see `VGG16Features`.
    Raises:
        FeaturesError: VGG16 has no such layer, or the weights cannot be loaded.
    """

    def __init__(self, layers, weights="imagenet"):
        super().__init__(weights)
        names = [layer.name for layer in self.model.layers[1:]]
        unknown = [name for name in layers if name not in names]
        if unknown or not layers:
            raise FeaturesError(f"VGG16 has no layer {unknown[0] if unknown else ''!r}; it has {', '.join(names)}")
        self.model = keras.Model(self.model.inputs[0], [self.model.get_layer(name).output for name in layers])
        self.layer_weights = tuple(layers.values())

    def __call__(self, images):
        outputs = tf.nest.flatten(super().__call__(images))
        sizes = [int(np.prod(output.shape[1:])) for output in outputs]
        return tf.concat([tf.reshape(output, [-1, size]) * (weight * sum(sizes) / size) ** 0.5
                          for output, size, weight in zip(outputs, sizes, self.layer_weights)], axis=1)


def at_side(features, side):
    """Return F of pictures resized to `side` by nearest neighbours, as in published training; other F than VGG16: F."""
    return resized(features, side) if isinstance(features, VGG16Features) else features


def resized(features, side):
    """Return F of pictures resized to `side` by nearest neighbours: pixel i is the one at floor(i * scale)."""
    def seen(images):
        fits = tuple(images.shape[1:3]) == (side, side)
        # TensorFlow 2's own resizing takes the pixel at the centre instead, unlike TensorFlow 1 and PyTorch
        return features(images if fits else tf.raw_ops.ResizeNearestNeighbor(images=images, size=[side, side]))
    return seen


def _load_keras_weights(model, path):
    """Fill convolutions from a Keras 'notop' HDF5 file, which has a group with kernel and bias per layer."""
    try:
        if not Path(path).is_file():        # opening a pipe would wait for its writer
            raise OSError
        with h5py.File(path, "r") as file:
            for layer in model.layers:
                if layer.weights:
                    layer.set_weights(_kernel_and_bias(file, layer))
    except OSError as error:
        reason = "not an HDF5 file, or damaged" if Path(path).is_file() else "no such file"
        raise FeaturesError(f"{path}: VGG16 weights cannot be read: {reason}") from error
    except KeyError as error:
        raise FeaturesError(f"{path}: not the weights of VGG16 without top: {str(error.args[0])}") from error
    except Exception as error:      # a damaged file can fail anywhere in the HDF5 library
        raise FeaturesError(f"{path}: VGG16 weights cannot be read: damaged ({type(error).__name__})") from error


def _kernel_and_bias(file, layer):
    found = []
    if isinstance(file.get(layer.name, getlink=True), h5py.HardLink) and isinstance(file[layer.name], h5py.Group):
        file[layer.name].visititems(lambda name, item: found.append(item) if isinstance(item, h5py.Dataset) else None)
    wanted = [tuple(weight.shape) for weight in layer.weights]
    if sorted(item.shape for item in found) != sorted(wanted):
        raise KeyError(f"layer {layer.name!r} should hold arrays {wanted}, the file has {[i.shape for i in found]}")
    return [np.asarray(next(item for item in found if item.shape == shape), "float32") for shape in wanted]


class LayerFeatures:
    """F from a layer of a Keras model with one image input.

    Args:
        model: functional keras.Model, images in [-1, 1] -> anything.
        layer: name of the layer whose output is F.
    Raises:
        FeaturesError: the model has no such layer.
    """

    def __init__(self, model, layer):
        names = [candidate.name for candidate in model.layers]
        if layer not in names:
            raise FeaturesError(f"the model has no layer {layer!r}; it has {', '.join(names)}")
        self.model = keras.Model(model.inputs[0], model.get_layer(layer).output)
        self.model.trainable = False

    def __call__(self, images):
        return self.model(images, training=False)
