"""Latent discriminator D_w: codes in W+ -> whether they come from the mapping network, before any sigmoid.

Source: Leng et al. 2021 (Force-in-domain GAN inversion), Eq. (2). The paper does not say what D_w is made of, nor how
it takes a code of many layers; the two designs here are ours.
"""
from __future__ import annotations

import keras
import tensorflow as tf

from tf_idinvert.networks import layers
from tf_idinvert.networks.entry import Entry

DESIGNS = ("layerwise", "whole")


class LatentDiscriminator(keras.Model):
    """`latent_discriminator(w)`: codes w [N, L, D] -> logits [N, 1].

    Design 'layerwise': one multilayer perceptron judges the w of every layer, and knows which layer it is by a learned
    embedding that is added before its first activation; the logit of a code is the mean over its layers. So D_w stays
    a function of the code as in Eq. (2), with the same losses and the same R1 in both designs, and no layer can hide
    behind the others: as long as the w of one are distributed otherwise, its own term tells, and pulls at that w.
    Design 'whole': the perceptron sees the code at once, and so also how its layers go together.
    """

    def __init__(
        self,
        num_layers=14,              # L of the generator it serves
        dlatent_size=512,           # D
        design="layerwise",         # or 'whole'
        mlp_layers=4,               # hidden layers
        mlp_fmaps=512,              # their width
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
                                                   initializer=keras.initializers.RandomNormal(0.0, 1.0),
                                                   trainable=True)
        width = dlatent_size if design == "layerwise" else num_layers * dlatent_size
        self.dense = []
        for i in range(mlp_layers):
            self.dense.append(layers.Dense(width, mlp_fmaps, name=f"dense{i}"))
            width = mlp_fmaps
        self.logit = layers.Dense(width, 1, gain=1.0, name="logit")
        self.built = True

    @classmethod
    def of(cls, generator, **sizes):
        """A new latent discriminator for the codes of a generator; `sizes` are the other arguments."""
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


ENTRY = Entry(      # no official file holds one: names in their manner
    network=LatentDiscriminator, fields=("latent_discriminator",), weights=_named_weights, sizes=_sizes,
    kinds={"num_layers": "size", "dlatent_size": "size", "design": DESIGNS, "mlp_layers": "size", "mlp_fmaps": "size"})
