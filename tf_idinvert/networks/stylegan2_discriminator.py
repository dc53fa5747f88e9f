"""Discriminator of StyleGAN2: image -> realism score, before any sigmoid.

Source: Karras et al. 2020 (Analyzing and Improving the Image Quality of StyleGAN), section 4 and figure 7;
configurations B to F of table 1.
"""
from __future__ import annotations

import keras
import tensorflow as tf

from tf_idinvert.networks import layers, resampling
from tf_idinvert.networks.entry import Entry, Official, nothing_told
from tf_idinvert.networks.stylegan2_synthesis import ARCHITECTURES, GAIN


class DownConv(layers.EqualizedLayer):
    """`[N, H, W, inputs] -> [N, H / 2, W / 2, outputs]`: low-pass filter, then a 3x3 convolution of stride 2."""

    def __init__(self, inputs, outputs, taps, gain, **kwargs):
        super().__init__((3, 3, inputs, outputs), gain, 1.0, use_bias=True, bias_gain=gain, **kwargs)
        self.taps = taps

    def call(self, x):
        return self.add_bias(resampling.convolve_downsample(x, self.used_weight(x.dtype), self.taps))


class Block(keras.layers.Layer):
    """The layers of one resolution: a 3x3 convolution and a 3x3 convolution to half the side.

    With `around`, a 1x1 skip connection is added and the sum divided by sqrt(2). The division is folded into the gains:
    the last activation has gain 1 instead of sqrt(2), and the skip connection gain 1 / sqrt(2).
    """

    def __init__(self, inputs, outputs, taps, around, **kwargs):
        super().__init__(**kwargs)
        self.taps, self.skip = taps, None
        self.conv0 = layers.Conv(inputs, inputs, 3, bias_gain=GAIN, name="conv0")
        self.conv1_down = DownConv(inputs, outputs, taps, gain=1.0 if around else GAIN, name="conv1_down")
        if around:
            self.skip = layers.Conv(inputs, outputs, 1, gain=0.5 ** 0.5, use_bias=False, name="skip")
        self.built = True

    def call(self, x):
        y = layers.leaky_relu(self.conv1_down(layers.leaky_relu(self.conv0(x))))
        return y if self.skip is None else y + self.skip(resampling.downsample(x, self.taps))


class StyleGAN2Discriminator(keras.Model):
    """`discriminator(x)`: x [N, R, R, C] -> logits [N, 1].

    Call arguments:
        labels: [N, label_size], one-hot; required if label_size > 0. The logit is that of the image's class.

    N must be a multiple of `mbstd_group_size`, or smaller. The logits of a group depend on all its images.
    """

    def __init__(
        self,
        resolution=1024,                # R, a power of two; 8 or more, unless the architecture is 'skip'
        num_channels=3,                 # C
        label_size=0,                   # number of classes; 0: no labels
        architecture="resnet",          # 'resnet': skip connections; 'skip': a FromRGB layer at every resolution;
                                        # 'orig': neither; 'growing': 'orig' with the unused FromRGB of grown training
        fmap_base=16384,                # channels at stage s: fmap_base / 2^(s * fmap_decay), within fmap_min..fmap_max
        fmap_decay=1.0,
        fmap_min=1,
        fmap_max=512,
        mbstd_group_size=4,             # images in a group of the minibatch standard deviation; 0 or 1: none
        mbstd_num_features=1,           # number of standard deviation maps
        resample_kernel=(1, 3, 3, 1),   # taps of the filter before halving; None: (1, 1)
        **kwargs,
    ):
        super().__init__(**kwargs)
        if architecture not in ARCHITECTURES:
            raise ValueError(f"architecture must be one of {', '.join(ARCHITECTURES)}; got {architecture!r}")
        self.config = dict(resolution=resolution, num_channels=num_channels, label_size=label_size,
                           architecture=architecture, fmap_base=fmap_base, fmap_decay=fmap_decay, fmap_min=fmap_min,
                           fmap_max=fmap_max, mbstd_group_size=mbstd_group_size, mbstd_num_features=mbstd_num_features,
                           resample_kernel=resample_kernel)
        self.resolution, self.label_size, self.architecture = resolution, label_size, architecture
        self.mbstd_group_size, self.mbstd_num_features = mbstd_group_size, mbstd_num_features
        self.taps = resampling.taps_of(resample_kernel)
        self.stages = layers.log2_resolution(resolution) - 1    # resolutions from R to 4
        if self.stages == 1 and architecture != "skip":
            raise ValueError(f"resolution must be at least 8 with architecture {architecture!r}; got {resolution}")

        def width(stage):       # 0: after the last convolution; 1: 4x4; ...
            return layers.feature_maps(stage, fmap_base, fmap_decay, fmap_max, fmap_min)

        self.from_rgb, self.blocks = [], []     # full resolution first
        for halvings in range(self.stages):
            stage = self.stages - halvings
            if architecture in ("skip", "growing") or halvings == 0:
                self.from_rgb.append(layers.Conv(num_channels, width(stage), 1, bias_gain=GAIN,
                                                 name=f"from_rgb{halvings}"))
            if stage > 1:
                self.blocks.append(Block(width(stage), width(stage - 1), self.taps, architecture == "resnet",
                                         name=f"block{halvings}"))
        appended = mbstd_num_features if mbstd_group_size > 1 else 0
        if appended and width(1) % appended:
            raise ValueError(f"mbstd_num_features must divide the {width(1)} channels at 4x4; got {appended}")
        self.conv = layers.Conv(width(1) + appended, width(1), 3, bias_gain=GAIN, name="conv")
        self.dense0 = layers.Dense(width(1) * 16, width(0), bias_gain=GAIN, name="dense0")
        self.output_layer = layers.Dense(width(0), max(label_size, 1), gain=1.0, name="output_layer")
        self.built = True

    def call(self, x, labels=None):
        image = layers.expect_shape("images", x, [self.resolution, self.resolution, self.config["num_channels"]])
        x = layers.leaky_relu(self.from_rgb[0](image))
        for halvings, block in enumerate(self.blocks, 1):
            x = block(x)
            if self.architecture == "skip":
                image = resampling.downsample(image, self.taps)
                x = x + layers.leaky_relu(self.from_rgb[halvings](image))
        x = layers.minibatch_stddev(x, self.mbstd_group_size, self.mbstd_num_features)      # [N, 4, 4, C + F]
        x = layers.leaky_relu(self.conv(x))
        x = tf.reshape(tf.transpose(x, [0, 3, 1, 2]), [-1, x.shape[-1] * 16])               # C, H, W as in the files
        x = self.output_layer(layers.leaky_relu(self.dense0(x)))                            # [N, max(label_size, 1)]
        return layers.logit_of_labels(x, labels, self.label_size)

    def get_config(self):
        return dict(self.config)


def _named_weights(discriminator):
    for halvings in range(discriminator.stages):
        side = discriminator.resolution >> halvings
        if halvings < len(discriminator.from_rgb):
            yield from discriminator.from_rgb[halvings].named(_colour_name(halvings, discriminator.get_config()))
        if side > 4:
            block = discriminator.blocks[halvings]
            yield from block.conv0.named(f"{side}x{side}/Conv0")
            yield from block.conv1_down.named(f"{side}x{side}/Conv1_down")
            if block.skip is not None:
                yield from block.skip.named(f"{side}x{side}/Skip")
    yield from discriminator.conv.named("4x4/Conv")
    yield from discriminator.dense0.named("4x4/Dense0")
    yield from discriminator.output_layer.named("Output")


def _colour_name(halvings, config):
    side = config["resolution"] >> halvings
    return f"FromRGB_lod{halvings}" if config["architecture"] == "growing" else f"{side}x{side}/FromRGB"


def _sizes(config):
    stages = layers.log2_resolution(config["resolution"]) - 1
    architecture = config["architecture"]

    def width(stage):
        return layers.feature_maps(stage, config["fmap_base"], config["fmap_decay"], config["fmap_max"],
                                   config["fmap_min"])

    for stage in range(stages, 0, -1):
        name, halvings = f"{2 << stage}x{2 << stage}", stages - stage
        if architecture in ("skip", "growing") or halvings == 0:
            yield f"{_colour_name(halvings, config)}/weight", [1, 1, config["num_channels"], width(stage)]
        if stage > 1:
            yield f"{name}/Conv0/weight", [3, 3, width(stage), width(stage)]
            yield f"{name}/Conv1_down/weight", [3, 3, width(stage), width(stage - 1)]
        if stage > 1 and architecture == "resnet":
            yield f"{name}/Skip/weight", [1, 1, width(stage), width(stage - 1)]
    appended = config["mbstd_num_features"] if config["mbstd_group_size"] > 1 else 0
    yield "4x4/Conv/weight", [3, 3, width(1) + appended, width(1)]
    yield "4x4/Dense0/weight", [width(1) * 16, width(0)]
    yield "Output/weight", [width(0), max(config["label_size"], 1)]


def _form(builder, lod, arguments, told, fits):
    return Official(
        builder=builder, module="training.networks_stylegan2", version=4, maker="StyleGAN2", lod=lod, told=told,
        refused=lambda config: None if fits(config["architecture"]) else f"is not built by {builder}",
        arguments={
            "num_channels": ("num_channels", 3),
            "resolution": ("resolution", 1024),
            "label_size": ("label_size", 0),
            "fmap_base": ("fmap_base", 16384),
            "fmap_decay": ("fmap_decay", 1.0),
            "fmap_min": ("fmap_min", 1),
            "fmap_max": ("fmap_max", 512),
            "mbstd_group_size": ("mbstd_group_size", 4),
            "mbstd_num_features": ("mbstd_num_features", 1),
            "resample_kernel": ("resample_kernel", [1, 3, 3, 1]),
            **arguments,
        })


ENTRY = Entry(
    network=StyleGAN2Discriminator, fields=("discriminator",), weights=_named_weights, sizes=_sizes,
    kinds={
        "resolution": "size", "num_channels": "size", "label_size": "count", "architecture": ARCHITECTURES,
        "fmap_base": "positive", "fmap_decay": "number", "fmap_min": "size", "fmap_max": "size",
        "mbstd_group_size": "count", "mbstd_num_features": "size", "resample_kernel": "filter",
    },
    official=(      # configurations E and F; B to D
        _form("D_stylegan2", (), {"architecture": ("architecture", "resnet")},
              told=nothing_told, fits=lambda architecture: architecture != "growing"),
        _form("D_stylegan", ("lod",), {}, told=lambda variables, given: {"architecture": "growing"},
              fits=lambda architecture: architecture == "growing"),
    ))
