"""InceptionV3's last pooled features, for Fréchet distances of photographs, with Keras' ImageNet weights.

Source: Szegedy et al. 2016 (Rethinking the Inception architecture); Heusel et al. 2017 for the distance. The weights
are those of `keras.applications`, not of the graph that published FID values use: differences of a few per cent.
"""
from __future__ import annotations

from pathlib import Path

import h5py
import keras
import numpy as np
import tensorflow as tf

from tf_idinvert.networks.perceptual import FeaturesError

SIDE = 299              # of the pictures that it was trained on


class InceptionFeatures:
    """Callable, images [N, H, W, 3] in [-1, 1] -> features [N, 2048]; resized to 299 px (bilinear) inside.

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
    """Fill the layers, in their order, from a Keras 'notop' HDF5 file; nothing is read whose shape does not fit."""
    layers = [layer for layer in model.layers if layer.weights]
    try:
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
        reason = "not an HDF5 file" if Path(path).is_file() else "no such file"
        raise FeaturesError(f"{path}: InceptionV3 weights cannot be read: {reason}") from error
    except (KeyError, AttributeError) as error:
        raise FeaturesError(f"{path}: not the weights of InceptionV3 without top") from error
