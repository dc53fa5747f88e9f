"""Encoder: image -> codes in W+, in the two generations that the authors of In-Domain GAN Inversion published.

- 2020-09: the first convolution is 5x5; the order in a layer is bias, leaky ReLU, batch norm with scale and shift.
- 2020-05: the first convolution is 3x3; the order is batch norm with shift only, leaky ReLU; no biases.

Batch norm is optional, because the force-in-domain paper compares with an encoder without it.


Source: Zhu et al. 2020 (In-Domain GAN Inversion), section 2.1, and the published weights; Leng et al. 2021
(Force-in-domain GAN inversion), table 1.
"""
from __future__ import annotations

import keras
import tensorflow as tf

from tf_idinvert.errors import InputError
from tf_idinvert.networks import layers
from tf_idinvert.networks.entry import IGNORED, Entry, Official

GENERATIONS = ("2020-09", "2020-05")


class Unit(keras.layers.Layer):
    """A convolution (4-D `shape`) or dense layer (2-D `shape`) with bias, activation and batch norm.

    Order in generation 2020-09: bias, leaky ReLU, batch norm; in 2020-05: batch norm, leaky ReLU.
    """

    def __init__(self, shape, generation, batch_norm, use_bias, activate, **kwargs):
        super().__init__(**kwargs)
        self.activate, self.norm_first = activate, generation == "2020-05"
        self.weight = self.add_weight(name="weight", shape=shape, initializer=layers.normal(0.02), trainable=True)
        self.bias = self.norm = None
        if use_bias:
            self.bias = self.add_weight(name="bias", shape=shape[-1:], initializer=layers.zeros, trainable=True)
        if batch_norm:
            # synchronized=True computes statistics over the global batch; the original averages them over its GPUs.
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
    """Two 3x3 units plus a shortcut, [N, h, w, inputs] -> [N, h, w, outputs].

    The shortcut is the identity, or a 1x1 unit if the number of channels changes.
    """

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
        num_layers=14,              # L of its generator
        dlatent_size=512,           # D
        num_channels=3,             # C
        filters=64,                 # channels of the first convolution; every block doubles them
        filters_max=512,            # upper limit of the channels
        generation="2020-09",       # or '2020-05'
        batch_norm=True,            # False: no layer has batch norm
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

    @classmethod
    def of(cls, generator, **sizes):
        """Return a new encoder whose images and codes have the generator's shapes; `sizes`: the other arguments."""
        return cls(resolution=generator.resolution, num_layers=generator.num_layers,
                   dlatent_size=generator.dlatent_size,
                   num_channels=generator.synthesis.get_config()["num_channels"], **sizes)

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


# Official names of the layers. NORMS_2020_05 names the batch norm below a layer; in 2020-09 it is always 'batch_norm'.
NAMES = {
    "2020-09": {"first": "FromImg", "block": "E_block_{}", "shortcut": "Shortcut", "conv_a": "Conva",
                "conv_b": "Convb", "last": "Latent_out"},
    "2020-05": {"first": "encoder/input_image_stage", "block": "encoder/encoder_res_block_{}", "shortcut": "shortcut",
                "conv_a": "conv1", "conv_b": "conv2", "last": "encoder/encoder_fc"},
}
NORMS_2020_05 = {"first": "bn_input_stage", "shortcut": "shortcut_bn", "conv_a": "bn_1", "conv_b": "bn_2",
                 "last": "fc_1"}


def _named_weights(encoder):
    generation = encoder.get_config()["generation"]
    names = NAMES[generation]

    def unit(prefix, part, layer):
        name = prefix + names[part]
        yield f"{name}/weight", layer.weight, ""
        if layer.bias is not None:
            yield f"{name}/bias", layer.bias, ""
        if layer.norm is not None:
            norm = f"{name}/batch_norm" if generation == "2020-09" else f"{name}/{NORMS_2020_05[part]}/BatchNorm"
            if generation == "2020-09":
                yield f"{norm}/gamma", layer.norm.gamma, ""
            yield f"{norm}/beta", layer.norm.beta, ""
            yield f"{norm}/moving_mean", layer.norm.moving_mean, ""
            yield f"{norm}/moving_variance", layer.norm.moving_variance, ""

    yield from unit("", "first", encoder.from_image)
    for i, block in enumerate(encoder.blocks):
        prefix = names["block"].format(i) + "/"
        if block.shortcut is not None:
            yield from unit(prefix, "shortcut", block.shortcut)
        yield from unit(prefix, "conv_a", block.conv_a)
        yield from unit(prefix, "conv_b", block.conv_b)
    yield from unit("", "last", encoder.latent_out)


def _sizes(config):
    names = NAMES[config["generation"]]
    kernel = 5 if config["generation"] == "2020-09" else 3
    width = min(config["filters"], config["filters_max"])
    yield f"{names['first']}/weight", [kernel, kernel, config["num_channels"], width]
    for i in range(layers.log2_resolution(config["resolution"]) - 2):
        narrow, width = width, min(config["filters"] * 2 ** (i + 1), config["filters_max"])
        yield f"{names['block'].format(i)}/{names['conv_b']}/weight", [3, 3, min(narrow, width), width]
    yield f"{names['last']}/weight", [width * 16, config["num_layers"] * config["dlatent_size"]]


def _inferred(variables, given):
    """Infer the arguments from the weights; without `num_layers`, L is that of a generator of the same resolution."""
    generation = "2020-09" if "FromImg/weight" in variables else "2020-05"
    names = NAMES[generation]

    def outputs(layer):
        shape = getattr(variables.get(f"{layer}/weight"), "shape", ())
        if not shape:
            raise InputError(f"encoder: the file holds no {layer}/weight")
        return shape[-1]

    block = f"{names['block']}/{names['conv_b']}"
    widths = [outputs(names["first"])]
    while f"{block.format(len(widths) - 1)}/weight" in variables:
        widths.append(outputs(block.format(len(widths) - 1)))
    num_layers = given.get("num_layers", 2 * len(widths))
    return dict(generation=generation, num_channels=3, batch_norm=True, resolution=4 << (len(widths) - 1),
                filters=widths[0], filters_max=widths[-1], num_layers=num_layers,
                dlatent_size=outputs(names["last"]) // num_layers)


def _refused(config):
    if not config["batch_norm"]:
        return "the official format has no such network without batch norm"
    if config["generation"] == "2020-05" and config["dlatent_size"] != 512:
        return (f"the official 2020-05 encoder has codes of 512 numbers a layer; this one has "
                f"{config['dlatent_size']}")
    return None


def _written(arguments, config, part):
    sizes = {name: arguments[name] for name in ("size", "filter", "filter_max", "num_layers")}
    if config["generation"] == "2020-05":
        return dict(sizes, phase=True)
    return dict(sizes, is_training=True, num_gpus=1, dlatent_size=config["dlatent_size"])


ENTRY = Entry(
    network=Encoder, fields=("encoder",), weights=_named_weights, sizes=_sizes,
    kinds={
        "resolution": "size", "num_layers": "size", "dlatent_size": "size", "num_channels": "size", "filters": "size",
        "filters_max": "size", "generation": GENERATIONS, "batch_norm": "flag",
    },
    official=(Official(
        maker="idinvert", builder="Encoder", module="training.networks_encoder", told=_inferred, refused=_refused,
        written=_written,
        ignored=IGNORED | {"resolution", "num_channels", "label_size", "latent_size", "fmap_base", "fmap_decay",
                           "fmap_max"},     # arguments of the generator, which the original passes to the encoder too
        arguments={     # no defaults: absent arguments are inferred from the weights
            "size": ("resolution", None),
            "filter": ("filters", None),
            "filter_max": ("filters_max", None),
            "num_layers": ("num_layers", None),
            "dlatent_size": ("dlatent_size", None),
        }),))
