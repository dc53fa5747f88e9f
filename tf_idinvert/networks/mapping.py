"""Mapping network: z -> w, either one w for all layers (StyleGAN) or a separate w for every layer (idinvert).

Source: Karras et al. 2019, section 2; Zhu et al. 2020 (In-Domain GAN Inversion), section 3.1, footnote 2. The mapping
network of StyleGAN2 (Karras et al. 2020) differs only in the gain of its biases.
"""
from __future__ import annotations

import keras
import tensorflow as tf

from tf_idinvert.networks import layers


class Mapping(keras.Model):
    """`mapping(z, labels=None)`: z [N, Z] and labels [N, C] -> w [N, L, D], without truncation.

    Labels are one-hot and required if `label_size` > 0. The papers draw this network as FC.
    """

    def __init__(
        self,
        latent_size=512,            # Z
        label_size=0,               # C; 0: the network takes no labels
        dlatent_size=512,           # D
        num_layers=18,              # L, layers of the synthesis network
        mapping_layers=8,           # number of dense layers
        mapping_fmaps=512,          # width of all layers but the last
        mapping_lrmul=0.01,         # learning rate multiplier
        normalize_latents=True,     # pixel norm of the input
        layerwise=False,            # True: a separate w for every layer (idinvert); False: one w, repeated (StyleGAN)
        bias_gain=1.0,              # factor of the biases: sqrt(2) in StyleGAN2; see `layers.EqualizedLayer`
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.config = dict(latent_size=latent_size, label_size=label_size, dlatent_size=dlatent_size,
                           num_layers=num_layers, mapping_layers=mapping_layers, mapping_fmaps=mapping_fmaps,
                           mapping_lrmul=mapping_lrmul, normalize_latents=normalize_latents, layerwise=layerwise,
                           bias_gain=bias_gain)
        self.label_size, self.dlatent_size, self.num_layers = label_size, dlatent_size, num_layers
        self.normalize_latents, self.layerwise = normalize_latents, layerwise
        self.label_weight = None
        if label_size:
            self.label_weight = self.add_weight(name="label_weight", shape=(label_size, latent_size),
                                                initializer=layers.normal(1.0), trainable=True)
        width = latent_size * 2 if label_size else latent_size
        self.dense = []
        for i in range(mapping_layers):
            last = dlatent_size * (num_layers if layerwise else 1)
            outputs = last if i == mapping_layers - 1 else mapping_fmaps
            self.dense.append(layers.Dense(width, outputs, lrmul=mapping_lrmul, bias_gain=bias_gain,
                                           name=f"dense{i}"))
            width = outputs
        self.built = True

    def call(self, z, labels=None):
        x = layers.expect_shape("z", z, [self.config["latent_size"]])
        if self.label_size:
            if labels is None:
                raise ValueError(f"this network needs labels [N, {self.label_size}]; got none")
            embedded = tf.matmul(tf.cast(labels, x.dtype), tf.cast(tf.convert_to_tensor(self.label_weight), x.dtype))
            x = tf.concat([x, embedded], axis=1)
        if self.normalize_latents:
            x = layers.pixel_norm(x)
        for dense in self.dense:
            x = layers.leaky_relu(dense(x))
        if self.layerwise:
            return tf.reshape(x, [-1, self.num_layers, self.dlatent_size])
        return tf.tile(x[:, None, :], [1, self.num_layers, 1])

    def get_config(self):
        return dict(self.config)


def truncate(w, average, psi, cutoff):
    """Truncate codes w [N, L, D] towards `average` [D]; see `Generator.truncate`."""
    if psi is None:
        return w
    average = tf.cast(average, w.dtype)
    truncated = average + (w - average) * psi
    if cutoff is None:
        return truncated
    below = tf.range(w.shape[1])[None, :, None] < cutoff
    return tf.where(below, truncated, w)


def named_weights(mapping):
    """Yield rows (official name, variable, layout); see `entry`."""
    if mapping.label_weight is not None:
        yield "LabelConcat/weight", mapping.label_weight, ""
    for i, dense in enumerate(mapping.dense):
        yield from dense.named(f"Dense{i}")


def sizes(config, num_layers):
    """Yield rows (official name, shape); `config` is a generator's, whose synthesis has `num_layers` layers."""
    inputs = config["latent_size"] * (2 if config["label_size"] else 1)
    if config["label_size"]:
        yield "LabelConcat/weight", [config["label_size"], config["latent_size"]]
    for i in range(config["mapping_layers"]):
        outputs = config["mapping_fmaps"]
        if i == config["mapping_layers"] - 1:
            outputs = config["dlatent_size"] * (num_layers if config["layerwise"] else 1)
        yield f"Dense{i}/weight", [inputs, outputs]
        inputs = outputs
