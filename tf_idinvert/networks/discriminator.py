"""Discriminator: image -> realism score, before any sigmoid.

Source: Karras et al. 2019, section 2 (that of Karras et al. 2018 with blurred downsampling); growing: Karras et al.
2018, section 2.
"""
from __future__ import annotations

import keras
import tensorflow as tf

from tf_idinvert.networks import layers
from tf_idinvert.networks.entry import IGNORED, Entry, Official


class Discriminator(keras.Model):
    """`discriminator(x)`: x [N, R, R, C] -> logits [N, 1].

    Call arguments:
        labels: [N, label_size], one-hot; required if label_size > 0. The logit is that of the image's class.
        lod, fade: as in `synthesis.Synthesis`; at level k the image is first averaged down to R / 2^k.

    N must be a multiple of `mbstd_group_size`, or smaller. The logits of a group depend on all its images.
    """

    def __init__(
        self,
        resolution=1024,            # R, a power of two
        num_channels=3,             # C
        label_size=0,               # number of classes; 0: no labels
        fmap_base=8192,             # channels at stage s: min(fmap_base / 2^(s * fmap_decay), fmap_max)
        fmap_decay=1.0,
        fmap_max=512,
        mbstd_group_size=4,         # images in a group of the minibatch standard deviation; 0 or 1: none
        mbstd_num_features=1,       # number of standard deviation maps
        fused_scale="auto",         # fuse downsampling with its convolution: 'auto' (from 128 px), True, False
        blur_filter=(1, 2, 1),      # before downsampling; None: none
        lod=0.0,                    # level of detail that training has reached
        pool_last=False,            # unfused downsampling averages after bias and activation, as in `D_paper`
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.config = dict(resolution=resolution, num_channels=num_channels, label_size=label_size, fmap_base=fmap_base,
                           fmap_decay=fmap_decay, fmap_max=fmap_max, mbstd_group_size=mbstd_group_size,
                           mbstd_num_features=mbstd_num_features, fused_scale=fused_scale, blur_filter=blur_filter,
                           lod=lod, pool_last=pool_last)
        self.resolution, self.label_size, self.lod = resolution, label_size, lod
        self.mbstd_group_size, self.mbstd_num_features = mbstd_group_size, mbstd_num_features
        self.blur_filter, self.pool_last = blur_filter, pool_last
        self.stages = layers.log2_resolution(resolution)

        def width(stage):
            return layers.feature_maps(stage, fmap_base, fmap_decay, fmap_max)

        self.from_rgb, self.conv0, self.conv1_down = [], [], []      # full resolution first
        for stage in range(self.stages - 1, 0, -1):
            self.from_rgb.append(layers.Conv(num_channels, width(stage), 1, name=f"from_rgb{stage}"))
            if stage > 1:
                fused = layers.is_fused(fused_scale, 2 ** (stage + 1))
                self.conv0.append(layers.Conv(width(stage), width(stage), 3, name=f"conv0_{stage}"))
                self.conv1_down.append(layers.Conv(width(stage), width(stage - 1), 3, fused=fused,
                                                   resample=None if pool_last else "down", name=f"conv1_down_{stage}"))
        if pool_last and fused_scale is not False:
            raise ValueError(f"pool_last needs fused_scale False; got {fused_scale!r}")
        appended = mbstd_num_features if mbstd_group_size > 1 else 0
        if appended and width(1) % appended:
            raise ValueError(f"mbstd_num_features must divide the {width(1)} channels at 4x4; got {appended}")
        self.conv = layers.Conv(width(1) + appended, width(1), 3, name="conv")
        self.dense0 = layers.Dense(width(1) * 16, width(0), name="dense0")
        self.dense1 = layers.Dense(width(0), max(label_size, 1), gain=1.0, name="dense1")
        self.built = True

    def call(self, x, labels=None, lod=None, fade=None):
        lod = self.lod if lod is None else lod
        level = min(int(lod), self.stages - 2)
        fade = lod - level if fade is None else fade
        x = layers.expect_shape("images", x, [self.resolution, self.resolution, self.config["num_channels"]])
        image = layers.downscale(x, 2 ** level)
        x = layers.leaky_relu(self.from_rgb[level](image))
        for i in range(level, self.stages - 2):
            x = layers.leaky_relu(self.conv0[i](x))
            x = layers.leaky_relu(self.conv1_down[i](layers.blur(x, self.blur_filter)))
            x = layers.downscale(x) if self.pool_last else x
            if i == level and not (isinstance(fade, (int, float)) and fade <= 0):
                coarser = layers.leaky_relu(self.from_rgb[level + 1](layers.downscale(image)))
                x = x + (coarser - x) * tf.cast(fade, x.dtype)
        x = layers.minibatch_stddev(x, self.mbstd_group_size, self.mbstd_num_features)      # [N, 4, 4, C + F]
        x = layers.leaky_relu(self.conv(x))
        x = tf.reshape(tf.transpose(x, [0, 3, 1, 2]), [-1, x.shape[-1] * 16])               # C, H, W as in the files
        x = self.dense1(layers.leaky_relu(self.dense0(x)))                                  # [N, max(label_size, 1)]
        return layers.logit_of_labels(x, labels, self.label_size)

    def get_config(self):
        return dict(self.config, lod=self.lod)


def _named_weights(discriminator):
    for level, from_rgb in enumerate(discriminator.from_rgb):
        side = discriminator.resolution >> level
        yield from from_rgb.named(f"FromRGB_lod{level}")
        if side > 4:
            yield from discriminator.conv0[level].named(f"{side}x{side}/Conv0")
            name = "Conv1" if discriminator.pool_last else "Conv1_down"
            yield from discriminator.conv1_down[level].named(f"{side}x{side}/{name}")
    yield from discriminator.conv.named("4x4/Conv")
    yield from discriminator.dense0.named("4x4/Dense0")
    yield from discriminator.dense1.named("4x4/Dense1")


def _sizes(config):
    stages = layers.log2_resolution(config["resolution"])

    def width(stage):
        return layers.feature_maps(stage, config["fmap_base"], config["fmap_decay"], config["fmap_max"])

    for stage in range(1, stages):
        side = 2 << stage
        yield f"FromRGB_lod{stages - 1 - stage}/weight", [1, 1, config["num_channels"], width(stage)]
        appended = config["mbstd_num_features"] if config["mbstd_group_size"] > 1 else 0
        yield ((f"{side}x{side}/Conv0/weight", [3, 3, width(stage), width(stage)]) if stage > 1 else
               ("4x4/Conv/weight", [3, 3, width(1) + appended, width(1)]))
    yield "4x4/Dense0/weight", [width(1) * 16, width(0)]
    yield "4x4/Dense1/weight", [width(0), max(config["label_size"], 1)]


def _fixed_by_paper(variables, given):
    """Arguments that networks_progan fixes: no blur, one logit without labels; unfused downsampling pools last."""
    return dict(blur_filter=None, label_size=0, mbstd_num_features=1, pool_last=not given.get("fused_scale", True))


def _not_basic(config):
    """D_basic covers D_paper by its arguments (no blur, fused), unless the network pools last."""
    return "networks_stylegan has no discriminator that pools last" if config["pool_last"] else None


def _not_paper(config):
    fixed = _fixed_by_paper({}, config)
    return None if all(config[name] == value for name, value in fixed.items()) else "networks_progan has no such one"


BASIC_ARGUMENTS = {
    "num_channels": ("num_channels", 1),
    "resolution": ("resolution", 32),
    "label_size": ("label_size", 0),
    "fmap_base": ("fmap_base", 8192),
    "fmap_decay": ("fmap_decay", 1.0),
    "fmap_max": ("fmap_max", 512),
    "mbstd_group_size": ("mbstd_group_size", 4),
    "mbstd_num_features": ("mbstd_num_features", 1),
    "fused_scale": ("fused_scale", "auto"),
    "blur_filter": ("blur_filter", [1, 2, 1]),
}
IGNORED_BY_PAPER = {"label_size", "mbstd_num_features", "blur_filter"}
PAPER_ARGUMENTS = {**{name: row for name, row in BASIC_ARGUMENTS.items() if name not in IGNORED_BY_PAPER},
                   "fused_scale": ("fused_scale", True)}
ENTRY = Entry(
    network=Discriminator, fields=("discriminator",), weights=_named_weights, sizes=_sizes,
    kinds={
        "resolution": "size", "num_channels": "size", "label_size": "count", "fmap_base": "positive",
        "fmap_decay": "number", "fmap_max": "size", "mbstd_group_size": "count", "mbstd_num_features": "size",
        "fused_scale": ("auto", True, False), "blur_filter": "filter", "lod": "number", "pool_last": "flag",
    },
    late={"pool_last": False},
    official=(
        Official(maker="StyleGAN", builder="D_basic", module="training.networks_stylegan", lod=("lod",),
                 refused=_not_basic, arguments=BASIC_ARGUMENTS),
        Official(maker="progressive GAN", builder="D_paper", module="training.networks_progan", lod=("lod",),
                 refused=_not_paper, told=_fixed_by_paper, ignored=IGNORED | IGNORED_BY_PAPER,
                 arguments=PAPER_ARGUMENTS)))
