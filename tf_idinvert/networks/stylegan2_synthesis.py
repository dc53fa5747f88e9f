"""Synthesis network of StyleGAN2: style codes w -> image, by convolutions whose kernels the styles modulate.

    s = A w + 1,   W' = W s,   d = 1 / sqrt(sum of W'^2 over kernel and input channels),   y = d conv(s x, W)

This implementation scales the inputs by s and the outputs by d. It computes the same function as a separate kernel W'
for every image, but is faster on a CPU, and the gradient with respect to w needs no gradient of a kernel.

Source: Karras et al. 2020 (Analyzing and Improving the Image Quality of StyleGAN), section 2 and figures 2 and 7;
configurations B to F of table 1.
"""
from __future__ import annotations

import keras
import tensorflow as tf

from tf_idinvert.networks import layers, resampling

ARCHITECTURES = ("skip", "resnet", "orig", "growing")
GAIN = 2 ** 0.5         # gain of an activation; applied to its input, because leaky ReLU commutes with positive factors


class ModulatedConv(layers.EqualizedLayer):
    """Modulated convolution: x [N, H, W, inputs], w [N, D] -> [N, H', W', outputs]; `up`: H' = 2H, filter `taps`.

    Subclasses add the bias themselves, because some add noise before it.
    """

    def __init__(self, inputs, outputs, kernel, dlatent_size, demodulate=True, up=False, taps=None, **kwargs):
        super().__init__((kernel, kernel, inputs, outputs), gain=1.0, lrmul=1.0, use_bias=True, **kwargs)
        self.demodulate, self.up, self.taps = demodulate, up, taps
        self.style = layers.Dense(dlatent_size, inputs, gain=1.0, name="style")

    def named_modulated(self, name):
        """Yield rows of the weights that all modulated convolutions have; see `entry`."""
        yield f"{name}/weight", self.weight, ""
        yield f"{name}/mod_weight", self.style.weight, ""
        yield f"{name}/mod_bias", self.style.bias, ""

    def convolve(self, x, w, gain=1.0, style_offset=None):
        """Return the result of the convolution times `gain`, without the bias.

        `style_offset` [N, inputs] is added to the style, A(w).
        """
        weight, style = self.used_weight(x.dtype), self.style(w) + 1.0                      # [k, k, I, O], [N, I]
        if style_offset is not None:
            style = style + style_offset
        x = x * style[:, None, None, :]
        x = resampling.upsample_convolve(x, weight, self.taps) if self.up else tf.nn.conv2d(x, weight, 1, "SAME")
        if not self.demodulate:
            return x * gain
        power = tf.reduce_sum(tf.square(weight), axis=[0, 1])                               # [I, O]
        scale = tf.math.rsqrt(layers.matmul(tf.square(style), power) + 1e-8) * gain         # [N, O]
        return x * scale[:, None, None, :]


class StyledConv(ModulatedConv):
    """3x3 modulated convolution, then noise, bias and leaky ReLU times `gain`."""

    def __init__(self, inputs, outputs, resolution, dlatent_size, up, taps, gain=GAIN, **kwargs):
        super().__init__(inputs, outputs, 3, dlatent_size, up=up, taps=taps, **kwargs)
        self.resolution, self.gain = resolution, gain
        self.noise = self.add_weight(name="noise", shape=(1, resolution, resolution, 1), initializer=layers.normal(1.0),
                                     trainable=False)
        self.noise_strength = self.add_weight(name="noise_strength", shape=(), initializer=layers.zeros, trainable=True)

    def call(self, x, w, noise_seed=None, style_offset=None):
        """x [N, h, h, inputs], w [N, D] -> [N, resolution, resolution, outputs]."""
        if noise_seed is None:
            noise = tf.convert_to_tensor(self.noise)
        else:
            noise = tf.random.stateless_normal([tf.shape(x)[0], self.resolution, self.resolution, 1], noise_seed)
        offset = (noise * self.noise_strength + self.bias) * self.gain
        return layers.leaky_relu(self.convolve(x, w, self.gain, style_offset) + tf.cast(offset, x.dtype))


class ToRGB(ModulatedConv):
    """1x1 modulated convolution to colours, with a bias, not demodulated."""

    def __init__(self, inputs, num_channels, dlatent_size, **kwargs):
        super().__init__(inputs, num_channels, 1, dlatent_size, demodulate=False, **kwargs)

    def call(self, x, w):
        return self.add_bias(self.convolve(x, w))


class Skip(layers.EqualizedLayer):
    """Skip connection around the two layers of a resolution: 1x1 convolution, upsampling, factor 1 / sqrt(2).

    The factor is that of the residual sum, which is divided by sqrt(2).
    """

    def __init__(self, inputs, outputs, taps, **kwargs):
        super().__init__((1, 1, inputs, outputs), gain=0.5 ** 0.5, lrmul=1.0, use_bias=False, **kwargs)
        self.taps = taps

    def call(self, x):
        return resampling.upsample(tf.nn.conv2d(x, self.used_weight(x.dtype), 1, "SAME"), self.taps)


class StyleGAN2Synthesis(keras.Model):
    """`synthesis(w)`: w [N, L, D] -> images [N, R, R, C], RGB about [-1, 1], not clipped.

    Layer 0 is the constant and the convolution at 4x4. Every further resolution has an upsampling layer and a layer
    that keeps the side. Layer L - 1 is the last ToRGB. A ToRGB at a lower resolution uses the w of the upsampling layer
    that follows it.

    Call arguments:
        noise_seed: None: the fixed noise stored with the network, so that a code always gives the same image; int32
            [2]: fresh noise for every image.
        start, features: continue from `features`, the output of layer start - 1 as `run` returns it. The w of earlier
            layers are ignored. `start` is at most `last_start` = L - 1.
        style_offsets: [N, S], added to the styles, see `styles`: an edit in StyleSpace; None: none.
    """

    def __init__(
        self,
        resolution=1024,                # R, a power of two
        dlatent_size=512,               # D
        num_channels=3,                 # C
        architecture="skip",            # 'skip': sum of the ToRGB of all resolutions; 'resnet': skip connections;
                                        # 'orig': neither; 'growing': 'orig' with the unused ToRGB of grown training
        fmap_base=16384,                # channels at stage s: fmap_base / 2^(s * fmap_decay), within fmap_min..fmap_max
        fmap_decay=1.0,
        fmap_min=1,
        fmap_max=512,
        resample_kernel=(1, 3, 3, 1),   # taps of the filter after doubling; None: (1, 1)
        final_activation=None,          # of the image: 'tanh', 'sigmoid', 'softsign'; None, as published: none
        **kwargs,
    ):
        super().__init__(**kwargs)
        if architecture not in ARCHITECTURES:
            raise ValueError(f"architecture must be one of {', '.join(ARCHITECTURES)}; got {architecture!r}")
        self.config = dict(resolution=resolution, dlatent_size=dlatent_size, num_channels=num_channels,
                           architecture=architecture, fmap_base=fmap_base, fmap_decay=fmap_decay, fmap_min=fmap_min,
                           fmap_max=fmap_max, resample_kernel=resample_kernel, final_activation=final_activation)
        self.resolution, self.architecture, self.final_activation = resolution, architecture, final_activation
        self.taps = resampling.taps_of(resample_kernel)
        self.widths = widths = _widths(self.config)             # of the resolutions from 4 to R
        self.num_layers = len(widths) * 2                       # L
        self.last_start = self.num_layers - 1
        self.const = self.add_weight(name="const", shape=(1, 4, 4, widths[0]), initializer=layers.normal(1.0),
                                     trainable=True)
        self.styled = []            # layers 0 to L - 2
        for i in range(self.num_layers - 1):
            stage, up = (i + 1) // 2, i % 2 == 1
            around = architecture == "resnet" and i and not up      # gain sqrt(2) / sqrt(2) of the residual sum
            self.styled.append(StyledConv(widths[stage - up], widths[stage], 4 << stage, dlatent_size, up, self.taps,
                                          gain=1.0 if around else GAIN, name=f"layer{i}"))
        self.to_rgb = [ToRGB(widths[stage], num_channels, dlatent_size, name=f"to_rgb{stage}")
                       for stage in _coloured(self.config)]
        self.skips = []             # for stages 1, 2, ...
        if architecture == "resnet":
            self.skips = [Skip(widths[stage - 1], widths[stage], self.taps, name=f"skip{stage}")
                          for stage in range(1, len(widths))]
        self.built = True

    def call(self, w, noise_seed=None, start=0, features=None, style_offsets=None):
        w = layers.expect_shape("w", w, [self.num_layers, self.config["dlatent_size"]])
        if not 0 <= start <= self.last_start:
            raise ValueError(f"start: expected a layer from 0 to {self.last_start}; got {start}")
        x, beside = self._through(w, start, self.last_start, self._parted(features, start), noise_seed,
                                  style_offsets)
        image = self.to_rgb[-1](x, w[:, -1])
        return layers.final_activation(image if beside is None else beside + image, self.final_activation)

    def run(self, w, start, stop, features=None, noise_seed=None, style_offsets=None):
        """Run layers `start` to `stop` (exclusive, at most L - 1): features after layer start - 1 -> after stop - 1.

        Features [N, h, h, C] are the activations. Further channels hold a second branch if there is one: with 'skip'
        the sum of the ToRGB so far, with 'resnet' the skip connection within a resolution.
        """
        features = self._parted(features, start)
        x, beside = self._through(tf.convert_to_tensor(w), start, stop, features, noise_seed, style_offsets)
        return x if beside is None else tf.concat([x, beside], axis=-1)

    @property
    def style_widths(self):
        """Channels of the style of each layer but the last: S is their sum."""
        return [layer.style.weight.shape[1] for layer in self.styled]

    def styles(self, w):
        """Styles of codes, w [N, L, D] -> [N, S]: A(w) of layers 0 to L - 2 side by side, those of the conversions to
        colours left out.
        """
        return layers.styles_of(self.styled, w)

    def style_matrices(self):
        """Return L arrays [D, inputs], the stored matrices A that map w to styles; layer L - 1 is the last ToRGB."""
        return [tf.convert_to_tensor(layer.style.weight).numpy() for layer in (*self.styled, self.to_rgb[-1])]

    def _through(self, w, start, stop, features, noise_seed, style_offsets):
        (x, beside), offsets = features, layers.split_styles(style_offsets, self.style_widths)
        for i in range(start, stop):
            stage = (i + 1) // 2
            if i == 0:
                x = tf.tile(tf.cast(tf.convert_to_tensor(self.const), w.dtype), [tf.shape(w)[0], 1, 1, 1])
            elif i % 2 and self.architecture == "skip":
                colours = self.to_rgb[stage - 1](x, w[:, i])
                beside = resampling.upsample(colours if beside is None else beside + colours, self.taps)
            elif i % 2 and self.architecture == "resnet":
                beside = self.skips[stage - 1](x)
            seed = None if noise_seed is None else tf.random.experimental.stateless_fold_in(noise_seed, i)
            x = self.styled[i](x, w[:, i], noise_seed=seed, style_offset=offsets[i])
            if i and i % 2 == 0 and self.architecture == "resnet":
                x, beside = x + beside, None
        return x, beside

    def _parted(self, features, start):
        """Split the features after layer start - 1 into (activations, second branch or None); see `run`."""
        if features is None:
            return None, None
        width = self.widths[start // 2]
        return (features[..., :width], features[..., width:]) if features.shape[-1] > width else (features, None)

    def get_config(self):
        return dict(self.config)


def _widths(config):
    """Return the channels at the resolutions 4 to R; `config` is that of a synthesis network or a generator."""
    return [layers.feature_maps(stage, config["fmap_base"], config["fmap_decay"], config["fmap_max"],
                                config["fmap_min"])
            for stage in range(1, layers.log2_resolution(config["resolution"]))]


def _coloured(config):
    """Return the stages that have a ToRGB layer: all, or the last."""
    stages = layers.log2_resolution(config["resolution"]) - 1
    return list(range(stages)) if config["architecture"] in ("skip", "growing") else [stages - 1]


def _layer_name(i):
    """Return the official name of layer i < L - 1: '4x4/Conv', '8x8/Conv0_up', '8x8/Conv1', ..."""
    return _side((i + 1) // 2) + ("/Conv" if i == 0 else ("/Conv1", "/Conv0_up")[i % 2])


def _colour_name(stage, config):
    stages = layers.log2_resolution(config["resolution"]) - 1
    return f"ToRGB_lod{stages - 1 - stage}" if config["architecture"] == "growing" else f"{_side(stage)}/ToRGB"


def _side(stage):
    return f"{4 << stage}x{4 << stage}"


def named_weights(synthesis):
    """Yield rows (official name, variable, layout), in the order of official files; see `entry`."""
    config = synthesis.get_config()
    to_rgb = dict(zip(_coloured(config), synthesis.to_rgb))
    for i, layer in enumerate(synthesis.styled):
        yield f"noise{i}", layer.noise, "NCHW"
    yield "4x4/Const/const", synthesis.const, "NCHW"
    for i, layer in enumerate(synthesis.styled):
        name, stage = _layer_name(i), (i + 1) // 2
        yield from layer.named_modulated(name)
        yield f"{name}/noise_strength", layer.noise_strength, ""
        yield f"{name}/bias", layer.bias, ""
        if i % 2:
            continue
        if stage and synthesis.skips:
            yield from synthesis.skips[stage - 1].named(f"{_side(stage)}/Skip")
        if stage in to_rgb:
            name = _colour_name(stage, config)
            yield from to_rgb[stage].named_modulated(name)
            yield f"{name}/bias", to_rgb[stage].bias, ""


def sizes(config):
    """Yield rows (official name, shape) of the weights that depend on sizes; `config` is a generator's."""
    widths = _widths(config)
    yield "4x4/Const/const", [1, widths[0], 4, 4]
    for i in range(len(widths) * 2 - 1):
        stage, up = (i + 1) // 2, i % 2
        yield f"{_layer_name(i)}/weight", [3, 3, widths[stage - up], widths[stage]]
        yield f"{_layer_name(i)}/mod_weight", [config["dlatent_size"], widths[stage - up]]
        yield f"noise{i}", [1, 1, 4 << stage, 4 << stage]
        if up and config["architecture"] == "resnet":
            yield f"{_side(stage)}/Skip/weight", [1, 1, widths[stage - 1], widths[stage]]
    for stage in _coloured(config):
        yield f"{_colour_name(stage, config)}/weight", [1, 1, widths[stage], config["num_channels"]]
