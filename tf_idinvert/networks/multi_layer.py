"""Perceptual features of several layers of VGG16, weighted: coarse and fine differences in one term.

Source: Gatys et al. 2016 and Johnson et al. 2016 compare several layers of VGG16; the papers of this project one.
"""
from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from tf_idinvert.networks.perceptual import FeaturesError, VGG16Features


class VGG16Layers(VGG16Features):
    """F: images [N, H, W, 3] in [-1, 1] -> [N, K], all layers' features one after the other, each scaled so that

        mean of squared differences over K = sum over layers of weight * mean of squared differences in the layer.

    Args:
        layers: {name of a layer up to block4_conv3: weight, > 0}.
        weights: see `VGG16Features`.
    Raises:
        FeaturesError: no layer of that name, or the weights cannot be had.
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
