"""Latent discriminator D_w: codes in W+ -> logit that they come from the mapping network, before any sigmoid.

Source: Leng et al. 2021 (Force-in-domain GAN inversion), Eq. (2). The paper specifies neither the architecture of D_w
nor how it processes the layers of a code; both designs below are this project's.
"""
from __future__ import annotations

import keras
import tensorflow as tf

from tf_idinvert.networks import layers
from tf_idinvert.networks.entry import Entry

DESIGNS = ("layerwise", "whole")


class LatentDiscriminator(keras.Model):
    """`latent_discriminator(w)`: codes w [N, L, D] -> logits [N, 1].

    Design 'layerwise': one multilayer perceptron computes a logit for the w of every layer; a learned embedding of the
    layer's index is added before the first activation. The logit of a code is the mean over its layers. If the w of a
    single layer are distributed differently from those of the mapping network, that layer's own logit shows it and its
    gradient acts on that w alone.

    Design 'whole': the perceptron takes the whole code, so it also sees which w occur together.

    In both designs D_w is a function of the code, as in Eq. (2), with the same losses and the same R1 penalty.
    """

    def __init__(
        self,
        num_layers=14,              # L of its generator
        dlatent_size=512,           # D
        design="layerwise",         # or 'whole'
        mlp_layers=4,               # number of hidden layers
        mlp_fmaps=512,              # width of the hidden layers
        **kwargs,
    ):
        super().__init__(**kwargs)
        if design not in DESIGNS:
            raise ValueError(f"design must be one of {', '.join(DESIGNS)}; got {design!r}")
        self.config = dict(num_layers=num_layers, dlatent_size=dlatent_size, design=design, mlp_layers=mlp_layers,
                           mlp_fmaps=mlp_fmaps)
        self.num_layers, self.dlatent_size = num_layers, dlatent_size
        self.layer_embedding = None
        if design == "layerwise":
            self.layer_embedding = self.add_weight(name="layer_embedding", shape=(num_layers, mlp_fmaps),
                                                   initializer=layers.normal(1.0), trainable=True)
        width = dlatent_size if design == "layerwise" else num_layers * dlatent_size
        self.dense = []
        for i in range(mlp_layers):
            self.dense.append(layers.Dense(width, mlp_fmaps, name=f"dense{i}"))
            width = mlp_fmaps
        self.logit = layers.Dense(width, 1, gain=1.0, name="logit")
        self.built = True

    @classmethod
    def of(cls, generator, **sizes):
        """Return a new latent discriminator for the codes of a generator; `sizes`: the other arguments."""
        return cls(num_layers=generator.num_layers, dlatent_size=generator.dlatent_size, **sizes)

    def call(self, w):
        w = layers.expect_shape("w", w, [self.num_layers, self.dlatent_size])
        layerwise = self.layer_embedding is not None
        x = tf.reshape(w, [-1, self.dlatent_size if layerwise else self.num_layers * self.dlatent_size])
        x = self.dense[0](x)                                                        # [N * L, F], or [N, F]
        if layerwise:
            x += tf.tile(tf.cast(tf.convert_to_tensor(self.layer_embedding), x.dtype), [tf.shape(w)[0], 1])
        x = layers.leaky_relu(x)
        for dense in self.dense[1:]:
            x = layers.leaky_relu(dense(x))
        x = tf.reshape(self.logit(x), [-1, self.num_layers if layerwise else 1])    # [N, L], or [N, 1]
        return tf.reduce_mean(x, axis=1, keepdims=True)

    def get_config(self):
        return dict(self.config)


def _named_weights(discriminator):
    if discriminator.layer_embedding is not None:
        yield "LayerEmbedding/weight", discriminator.layer_embedding, ""
    for i, dense in enumerate(discriminator.dense):
        yield from dense.named(f"Dense{i}")
    yield from discriminator.logit.named("Logit")


def _sizes(config):
    inputs, outputs = config["num_layers"] * config["dlatent_size"], config["mlp_fmaps"]
    if config["design"] == "layerwise":
        yield "LayerEmbedding/weight", [config["num_layers"], outputs]
        inputs = config["dlatent_size"]
    for i in range(config["mlp_layers"]):
        yield f"Dense{i}/weight", [inputs, outputs]
        inputs = outputs
    yield "Logit/weight", [outputs, 1]


ENTRY = Entry(      # no official form exists; the weight names follow the official style
    network=LatentDiscriminator, fields=("latent_discriminator",), weights=_named_weights, sizes=_sizes,
    kinds={"num_layers": "size", "dlatent_size": "size", "design": DESIGNS, "mlp_layers": "size", "mlp_fmaps": "size"})
