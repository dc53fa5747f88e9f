"""Attribute network of the rendered portraits: picture -> attribute scores, perceptual features and an embedding.

ImageNet features and face classifiers do not suit rendered portraits, so this network replaces them in three roles:

- it scores attributes, as the classifiers of Zhu et al. 2020 (section 3.2) do for faces;
- its convolutions are the perceptual features F of Eq. (2) and (4);
- its last hidden layer is the embedding in which Fréchet distances are computed.
"""
from __future__ import annotations

import itertools

import keras
import tensorflow as tf

from tf_idinvert.networks.entry import Entry


class Attributes(keras.Model):
    """`attributes(x)`: x [N, R, R, C], RGB in [-1, 1] -> scores [N, A], in the units of `portraits`.

    The score of an attribute in `binary` is a logit. `attributes.features(x)` and `attributes.embedding(x)` return the
    intermediate layers. For pictures larger than R, the network computes the embeddings of nine overlapping crops of
    R x R and averages them; with a small R it therefore judges by local parts alone.
    """

    def __init__(
        self,
        names,                      # A names, in the order of the scores
        binary=(),                  # names of the attributes that are 0 or 1
        resolution=64,              # R
        num_channels=3,             # C
        widths=(24, 48, 96, 128),   # channels of the convolutions; 2x2 averaging follows every convolution
        hidden=128,                 # width of the embedding
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.config = dict(names=tuple(names), binary=tuple(binary), resolution=resolution, num_channels=num_channels,
                           widths=tuple(widths), hidden=hidden)
        unknown = sorted(set(binary) - set(names))
        if unknown:
            raise ValueError(f"binary attributes must be among the names; {unknown[0]!r} is not")
        if not widths or resolution % 2 ** len(widths):
            raise ValueError(f"resolution must be a multiple of 2 for each width, {2 ** len(widths)}; got {resolution}")
        self.names, self.binary, self.resolution = tuple(names), tuple(binary), resolution
        self.convolutions = []
        inputs = num_channels
        for i, width in enumerate(widths):
            self.convolutions.append(keras.layers.Conv2D(width, 3, padding="same", activation="relu", name=f"conv{i}"))
            self.convolutions[-1].build((None, None, None, inputs))
            inputs = width
        side = resolution // 2 ** len(widths)
        self.hidden = keras.layers.Dense(hidden, activation="relu", name="hidden")
        self.hidden.build((None, inputs * side ** 2))
        self.scores = keras.layers.Dense(len(self.names), name="scores")
        self.scores.build((None, hidden))
        self.built = True

    def features(self, x):
        """Return the output of the second to last convolution, after ReLU: [N, R, R, C] -> [N, h, h, F]."""
        *_, found = itertools.islice(self._levels(x), len(self.convolutions))
        return found

    features.weight = 20.0      # lambda_vgg; makes the feature term of two portraits about as large as the pixel term

    def activations(self, x):
        """Return the outputs of all convolutions after ReLU: [N, R, R, C] -> list of [N, R / 2^i, R / 2^i, widths[i]].
        """
        return list(self._levels(x))[1:]

    def _levels(self, x):
        """Yield the picture, then the output of one convolution after the other."""
        x = tf.convert_to_tensor(x)
        yield x
        for i, convolution in enumerate(self.convolutions):
            x = convolution(tf.nn.avg_pool2d(x, 2, 2, "VALID") if i else x)
            yield x

    def embedding(self, x):
        """Return the last hidden layer, after ReLU: [N, R, R, C] -> [N, hidden]; larger pictures: mean over crops."""
        side = x.shape[1]
        if side > self.resolution:
            places = (0, (side - self.resolution) // 2, side - self.resolution)
            parts = [x[:, top:top + self.resolution, left:left + self.resolution] for top in places for left in places]
            found = self.embedding(tf.concat(parts, axis=0))                                            # [9 N, hidden]
            return tf.reduce_mean(tf.reshape(found, [len(parts), -1, self.config["hidden"]]), axis=0)
        x = self.convolutions[-1](tf.nn.avg_pool2d(self.features(x), 2, 2, "VALID"))
        x = tf.nn.avg_pool2d(x, 2, 2, "VALID")
        return self.hidden(tf.reshape(x, [tf.shape(x)[0], -1]))

    def call(self, x):
        return self.scores(self.embedding(x))

    def predict_attributes(self, x):
        """Return {name: float32 [N]} in the units of `portraits`; for binary attributes, the probability."""
        scores = self(x)
        return {name: tf.sigmoid(scores[:, i]) if name in self.binary else scores[:, i]
                for i, name in enumerate(self.names)}

    def get_config(self):
        return dict(self.config)


def _named_weights(attributes):
    layers = [(f"Conv{i}", convolution) for i, convolution in enumerate(attributes.convolutions)]
    for name, layer in [*layers, ("Hidden", attributes.hidden), ("Scores", attributes.scores)]:
        yield f"{name}/weight", layer.kernel, ""
        yield f"{name}/bias", layer.bias, ""


def _sizes(config):
    inputs = config["num_channels"]
    for i, outputs in enumerate(config["widths"]):
        yield f"Conv{i}/weight", [3, 3, inputs, outputs]
        inputs = outputs
    yield "Hidden/weight", [inputs * (config["resolution"] // 2 ** len(config["widths"])) ** 2, config["hidden"]]
    yield "Scores/weight", [config["hidden"], len(config["names"])]


ENTRY = Entry(      # no official form exists; the weight names follow the official style
    network=Attributes, fields=("attributes",), weights=_named_weights, sizes=_sizes,
    kinds={"names": "names", "binary": "names", "resolution": "size", "num_channels": "size", "widths": "widths",
           "hidden": "size"})
