"""Discriminators on the features of a fixed network, which help D to teach G.

A fixed network that was trained on the real pictures already tells apart what they show; small discriminators on
several of its layers need little training before their gradients mean something to G.

    D_l:  max(0, 1 - D_l(F_l(x))) + max(0, 1 + D_l(F_l(G(z)))),  means over the places of D_l
    G:    - D_l(F_l(G(z)))

Source: Sauer et al. 2021 (Projected GANs Converge Faster), section 3, without the random projections across layers:
features are brought to unit deviation instead, by those of the real pictures of the step. Spectral norm: Miyato et al.
2018. There is no R1, as in the source.
"""
from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

WIDTH, SMALLEST, SLOPE = 64, 4, 0.2


class FeatureDiscriminators(keras.layers.Layer):
    """`discriminators(features)`: list of [N, h_l, h_l, C_l] -> list of logits [N, s, s], s at most SMALLEST."""

    def __init__(
        self,
        activations,            # F: images [N, R, R, C] in [-1, 1] -> list of [N, h_l, h_l, C_l]; not trained
        sizes,                  # [(h_l, C_l)] of the activations, whose sides are powers of two
        width=WIDTH,            # channels
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.activations, self.kernels = activations, []
        for place, (side, channels) in enumerate(sizes):
            chain = []
            while side > SMALLEST:
                chain.append(self._kernel(f"down{place}_{side}", 4, channels, width))
                side, channels = side // 2, width
            self.kernels.append([*chain, self._kernel(f"logits{place}", 3, channels, 1)])
        self.built = True

    def _kernel(self, name, size, inputs, outputs):
        start = keras.initializers.RandomNormal(0.0, 1 / np.sqrt(size * size * inputs))
        kernel = self.add_weight(name=name, shape=(size, size, inputs, outputs), initializer=start, trainable=True)
        bias = self.add_weight(name=f"{name}_bias", shape=(outputs,), initializer="zeros", trainable=True)
        return kernel, bias

    def features(self, reals, fakes):
        """Return the features of two batches [n, R, R, C], brought to unit deviation of the first one's channels."""
        pairs = zip(self.activations(reals), self.activations(fakes))
        return tuple(zip(*(_standardised(real, fake) for real, fake in pairs)))

    def call(self, features):
        return [self._judge(x, kernels) for x, kernels in zip(features, self.kernels)]

    def _judge(self, x, kernels):
        for kernel, bias in kernels[:-1]:
            x = tf.nn.leaky_relu(tf.nn.conv2d(x, normalised(kernel), 2, "SAME") + bias, SLOPE)
        kernel, bias = kernels[-1]
        return (tf.nn.conv2d(x, normalised(kernel), 1, "SAME") + bias)[..., 0]


def normalised(kernel):
    """Return a kernel [k, k, I, O] over its largest singular value as a matrix [k k I, O]."""
    matrix = tf.reshape(tf.convert_to_tensor(kernel), [-1, kernel.shape[-1]])
    largest = tf.linalg.eigvalsh(tf.matmul(matrix, matrix, transpose_a=True))[-1]
    return tf.convert_to_tensor(kernel) * tf.math.rsqrt(largest + 1e-12)


def fooling(logits):
    """Return G's loss [N] of the logits of its pictures: the sum over layers of the negative mean."""
    return -tf.add_n([tf.reduce_mean(each, axis=[1, 2]) for each in logits])


def telling(real_logits, fake_logits):
    """Return the discriminators' loss [N]: the sum over layers of the mean hinge loss."""
    return tf.add_n([tf.reduce_mean(tf.nn.relu(1 - real) + tf.nn.relu(1 + fake), axis=[1, 2])
                     for real, fake in zip(real_logits, fake_logits)])


def _standardised(real, fake):
    scale = tf.stop_gradient(tf.math.rsqrt(tf.reduce_mean(tf.square(real), axis=[0, 1, 2]) + 1e-3))
    return real * scale, fake * scale
