"""LPIPS, the learned perceptual distance of two pictures, with VGG16, as a feature network F for inversion.

    d(x, y) = sum over 5 layers of the mean over places of  w . (x^ - y^)^2

x^ and y^ are the activations of a layer, normalised at every position to length 1 over the channels; w >= 0 are learned
weights of the channels, the heads.

Source: Zhang et al. 2018 (The Unreasonable Effectiveness of Deep Features as a Perceptual Metric), equation (1), and
its public code, version 0.1 (richzhang/PerceptualSimilarity).
"""
from __future__ import annotations

import itertools

import numpy as np
import tensorflow as tf

from tf_idinvert.errors import InputError

BLOCKS = (2, 2, 3, 3, 3)        # convolutions per block of VGG16; the ReLU after the last one is a layer of LPIPS
SHIFT = (-0.030, -0.088, -0.188)        # mean and, in SCALE, standard deviation of ImageNet, RGB in [-1, 1]
SCALE = (0.458, 0.448, 0.450)
EPSILON = 1e-10                 # added to the lengths of vectors
WIDEST = 512                    # largest number of channels in VGG16
SMALLEST = 16                   # smallest side in pixels; four poolings reduce it to one


class LPIPS:
    """F: images [N, H, W, 3] in [-1, 1], RGB -> [N, K], the activations of all layers, concatenated and scaled so that

        mean over K of (F(x) - F(y))^2 = d(x, y).

    Therefore LPIPS can be the feature term of an optimisation like any other F, and `losses.mean_squared_difference` of
    two F is the distance. Images must have 16 px or more; they are not resized.

    Args:
        convolutions: list of (kernel [3, 3, in, out], bias [out]) for the 13 convolutions of VGG16; they may be
            narrower.
        heads: list of w [channels] for the five layers.
    Raises:
        InputError: sizes do not fit, or a weight in the heads is below 0.
    """

    weight = 0.8        # lambda beside a mean squared error; Richardson et al. 2021 (pSp), section 4

    def __init__(self, convolutions, heads):
        _check(convolutions, heads)
        self.convolutions = [tuple(map(tf.constant, each)) for each in convolutions]
        self.heads = [tf.constant(np.sqrt(each)) for each in heads]

    def __call__(self, images):
        layers = [_directions(x) * head for x, head in zip(self._layers(images), self.heads)]
        total = sum(int(np.prod(x.shape[1:])) for x in layers)
        return tf.concat([tf.reshape(x, [-1, int(np.prod(x.shape[1:]))]) * (total / (x.shape[1] * x.shape[2])) ** 0.5
                          for x in layers], axis=1)

    def block3(self, images):
        """V of the published multi-code inversion: conv3_3 of torchvision's VGG16 after ReLU, [N, H / 4, W / 4, 256].
        """
        *_, found = itertools.islice(self._layers(images), 3)
        return found

    def _layers(self, images):
        """Yield what the five blocks end in."""
        x, convolutions = (images - tf.constant(SHIFT)) / tf.constant(SCALE), iter(self.convolutions)
        for block, count in enumerate(BLOCKS):
            if block:
                x = tf.nn.max_pool2d(x, 2, 2, "VALID")
            for _ in range(count):
                kernel, bias = next(convolutions)
                x = tf.nn.relu(tf.nn.conv2d(x, kernel, 1, "SAME") + bias)
            yield x


def _directions(x):
    """Vectors of channels divided by their lengths; the gradient is finite where all channels are 0, too."""
    squares = tf.reduce_sum(tf.square(x), axis=-1, keepdims=True)
    return x / (tf.sqrt(tf.maximum(squares, EPSILON ** 2)) + EPSILON)


def _check(convolutions, heads):
    """InputError where the sizes are not those of VGG16's graph, or a head cannot be a weight."""
    if len(convolutions) != sum(BLOCKS) or len(heads) != len(BLOCKS):
        raise InputError(f"{len(convolutions)} convolutions and {len(heads)} heads, expected {sum(BLOCKS)} and "
                         f"{len(BLOCKS)}")
    channels = 3
    for number, (kernel, bias) in enumerate(convolutions):
        outputs = kernel.shape[-1]
        if kernel.shape != (3, 3, channels, outputs) or bias.shape != (outputs,) or not 0 < outputs <= WIDEST:
            raise InputError(f"convolution {number} of VGG16: a kernel {list(kernel.shape)}, expected [3, 3, "
                             f"{channels}, at most {WIDEST}]")
        channels = outputs
    for number, (head, last) in enumerate(zip(heads, np.cumsum(BLOCKS) - 1)):
        channels = convolutions[last][1].shape
        if head.shape != channels:
            raise InputError(f"lin{number}: {head.shape[0]} weights for {channels[0]} channels of VGG16: heads of "
                             "another network, such as AlexNet or SqueezeNet?")
        if not (np.isfinite(head).all() and (head >= 0).all()):
            raise InputError(f"lin{number}: weights below 0 or not finite, which no distance has")
