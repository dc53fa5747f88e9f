"""Encoder: image -> codes in W+, in the two generations that the authors of In-Domain GAN Inversion published.

They differ in details only: 2020-09 starts with a 5x5 convolution and orders bias, leaky ReLU, batch norm (scale and
shift); 2020-05 starts with 3x3 and orders batch norm (shift only), leaky ReLU, without biases. The force-in-domain
paper compares with an encoder without batch norm, so it can be left out.

Source: Zhu et al. 2020 (In-Domain GAN Inversion), section 2.1, and the published weights; Leng et al. 2021
(Force-in-domain GAN inversion), table 1.
"""
from __future__ import annotations

import keras
import tensorflow as tf

from tf_idinvert.networks import layers

GENERATIONS = ("2020-09", "2020-05")


class Unit(keras.layers.Layer):
    """A convolution (4-D `shape`) or dense layer (2-D `shape`) with bias, activation and batch norm of its generation.

    The published orders: 2020-09 bias -> leaky ReLU -> batch norm, 2020-05 batch norm -> leaky ReLU.
    """

    def __init__(self, shape, generation, batch_norm, use_bias, activate, **kwargs):
        super().__init__(**kwargs)
        self.activate, self.norm_first = activate, generation == "2020-05"
        self.weight = self.add_weight(name="weight", shape=shape, trainable=True,
                                      initializer=keras.initializers.RandomNormal(0.0, 0.02))
        self.bias = self.norm = None
        if use_bias:
            self.bias = self.add_weight(name="bias", shape=shape[-1:], initializer="zeros", trainable=True)
        if batch_norm:
            # synchronized: statistics of the global batch, as the original averages them over all GPUs.
            self.norm = keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, scale=not self.norm_first,
                                                        synchronized=True, name="norm")
            self.norm.build((None,) * (len(shape) - 1) + shape[-1:])
        self.built = True

    def call(self, x, training=False):
        weight = tf.cast(tf.convert_to_tensor(self.weight), x.dtype)
        x = tf.nn.conv2d(x, weight, 1, "SAME") if len(weight.shape) == 4 else layers.matmul(x, weight)
        if self.bias is not None:
            x = x + tf.cast(tf.convert_to_tensor(self.bias), x.dtype)
        if self.norm_first and self.norm is not None:
            x = self.norm(x, training=training)
        if self.activate:
            x = layers.leaky_relu(x)
        if not self.norm_first and self.norm is not None:
            x = self.norm(x, training=training)
        return x


class ResidualBlock(keras.layers.Layer):
    """Two 3x3 units beside a shortcut, which is a 1x1 unit where the width changes: [N, h, w, inputs] -> outputs."""

    def __init__(self, inputs, outputs, generation, batch_norm, **kwargs):
        super().__init__(**kwargs)
        use_bias, hidden = generation == "2020-09", min(inputs, outputs)
        self.shortcut = None
        if inputs != outputs:
            self.shortcut = Unit((1, 1, inputs, outputs), generation, batch_norm, use_bias=False,
                                 activate=generation == "2020-05", name="shortcut")
        self.conv_a = Unit((3, 3, inputs, hidden), generation, batch_norm, use_bias, activate=True, name="conv_a")
        self.conv_b = Unit((3, 3, hidden, outputs), generation, batch_norm, use_bias, activate=True, name="conv_b")
        self.built = True

    def call(self, x, training=False):
        shortcut = x if self.shortcut is None else self.shortcut(x, training=training)
        return shortcut + self.conv_b(self.conv_a(x, training=training), training=training)


class Encoder(keras.Model):
    """`encoder(x)`: images x [N, R, R, C], RGB in [-1, 1] -> codes [N, L, D]; `training=True` uses batch statistics."""

    def __init__(
        self,
        resolution=256,             # R, a power of two, 8 or more
        num_layers=14,              # L of the generator it serves
        dlatent_size=512,           # D
        num_channels=3,             # C
        filters=64,                 # width of the first convolution, doubled by every block
        filters_max=512,            # up to this
        generation="2020-09",       # or '2020-05'
        batch_norm=True,            # False: none anywhere
        **kwargs,
    ):
        super().__init__(**kwargs)
        if generation not in GENERATIONS:
            raise ValueError(f"generation must be one of {', '.join(GENERATIONS)}; got {generation!r}")
        self.config = dict(resolution=resolution, num_layers=num_layers, dlatent_size=dlatent_size,
                           num_channels=num_channels, filters=filters, filters_max=filters_max, generation=generation,
                           batch_norm=batch_norm)
        self.resolution, self.num_layers, self.dlatent_size = resolution, num_layers, dlatent_size
        use_bias = generation == "2020-09"
        num_blocks = layers.log2_resolution(resolution) - 2
        widths = [min(filters * 2 ** i, filters_max) for i in range(num_blocks + 1)]
        kernel = 5 if generation == "2020-09" else 3
        self.from_image = Unit((kernel, kernel, num_channels, widths[0]), generation, batch_norm, use_bias,
                               activate=True, name="from_image")
        self.blocks = [ResidualBlock(widths[i], widths[i + 1], generation, batch_norm, name=f"block{i}")
                       for i in range(num_blocks)]
        self.latent_out = Unit((widths[-1] * 16, num_layers * dlatent_size), generation, batch_norm, use_bias,
                               activate=False, name="latent_out")
        self.built = True

    def call(self, x, training=False):
        x = layers.expect_shape("images", x, [self.resolution, self.resolution, self.config["num_channels"]])
        x = self.from_image(x, training=training)
        for block in self.blocks:
            x = block(layers.downscale(x), training=training)                         # [N, 4, 4, F] at the end
        x = tf.reshape(tf.transpose(x, [0, 3, 1, 2]), [-1, x.shape[-1] * 16])         # C, H, W as in the files
        x = self.latent_out(x, training=training)
        return tf.reshape(x, [-1, self.num_layers, self.dlatent_size])

    def get_config(self):
        return dict(self.config)
