"""Synthesis network of StyleGAN: style codes w -> image, one style per layer.

Source: Karras et al. 2019, section 2 and figure 1; growing: Karras et al. 2018, section 2.
"""
from __future__ import annotations

import keras
import tensorflow as tf

from tf_idinvert.networks import layers


class SynthesisLayer(keras.layers.Layer):
    """One styled layer: constant or convolution, then noise, bias, leaky ReLU, instance norm, style.

    The layer has either `const` (the learned 4x4 input) or `conv` (3x3; the first layer of a resolution upsamples and
    blurs). The bias follows the noise, so it belongs to this layer and not to the convolution.
    """

    def __init__(self, inputs, outputs, resolution, dlatent_size, up, use_noise, fused_scale, blur_filter, **kwargs):
        super().__init__(**kwargs)
        self.up, self.blur_filter, self.resolution = up, blur_filter, resolution
        self.const = self.conv = self.noise = self.noise_weight = None
        if inputs is None:
            self.const = self.add_weight(name="const", shape=(1, 4, 4, outputs), initializer="ones", trainable=True)
        else:
            fused = up and layers.is_fused(fused_scale, resolution)
            self.conv = layers.Conv(inputs, outputs, 3, use_bias=False, resample="up" if up else None, fused=fused,
                                    name="conv")
        if use_noise:
            self.noise = self.add_weight(name="noise", shape=(1, resolution, resolution, 1),
                                         initializer=layers.normal(1.0), trainable=False)
            self.noise_weight = self.add_weight(name="noise_weight", shape=(outputs,), initializer=layers.zeros,
                                                trainable=True)
        self.bias = self.add_weight(name="bias", shape=(outputs,), initializer=layers.zeros, trainable=True)
        self.style = layers.Dense(dlatent_size, outputs * 2, gain=1.0, name="style")
        self.built = True

    def call(self, x, w, noise_seed=None, style_offset=None):
        """x [N, h, h, inputs] (ignored by the constant layer), w [N, D] -> [N, r, r, outputs].

        `style_offset` [N, 2 * outputs] is added to the style, A(w): scales, then shifts.
        """
        if self.conv is None:
            x = tf.tile(tf.cast(tf.convert_to_tensor(self.const), w.dtype), [tf.shape(w)[0], 1, 1, 1])
        else:
            x = self.conv(x)
            if self.up:
                x = layers.blur(x, self.blur_filter)
        offset = tf.cast(self.bias, x.dtype)
        if self.noise is not None:
            offset = self._noise(x, noise_seed) * tf.cast(self.noise_weight, x.dtype) + offset
        x = layers.leaky_relu(x + offset)
        style = self.style(w)
        if style_offset is not None:
            style = style + style_offset
        scale, shift = tf.split(style[:, None, None, :], 2, axis=-1)      # [N, 1, 1, C] each
        return layers.adaptive_instance_norm(x, scale + 1.0, shift)

    def _noise(self, x, seed):
        if seed is None:
            return tf.cast(tf.convert_to_tensor(self.noise), x.dtype)
        shape = [tf.shape(x)[0], self.resolution, self.resolution, 1]
        return tf.cast(tf.random.stateless_normal(shape, seed), x.dtype)


class Synthesis(keras.Model):
    """`synthesis(w)`: w [N, L, D] -> images [N, R, R, C], RGB about [-1, 1], not clipped.

    With `final_activation='tanh'`, which some idinvert networks have, images are within (-1, 1).

    Call arguments:
        noise_seed: None: the fixed noise stored with the network, so that a code always gives the same image; int32
            [2]: fresh noise for every image.
        lod: level of detail, a Python number >= 0: 0 is full resolution; at k the layers above R / 2^k are not used,
            and the image is scaled up to R x R; a fraction blends the two neighbouring levels. None: the network's
            own `lod`, which is 0 after training.
        fade: scalar tensor in [0, 1] that blends level `lod`, then an integer, towards `lod + 1`. As a tensor it can
            change from step to step without retracing.
        start, features: continue from `features`, the output of layer start - 1 as `run` returns it. The w of earlier
            layers are ignored. `start` is at most `last_start`: the number of layers in use, minus two during a fade.
        style_offsets: [N, S], added to the styles, see `styles`: an edit in StyleSpace; None: none.
    """

    def __init__(
        self,
        resolution=1024,            # R, a power of two
        dlatent_size=512,           # D
        num_channels=3,             # C
        fmap_base=8192,             # channels at stage s: min(fmap_base / 2^(s * fmap_decay), fmap_max)
        fmap_decay=1.0,
        fmap_max=512,
        use_noise=True,             # whether layers add noise
        fused_scale="auto",         # fuse upsampling with its convolution: 'auto' (from 128 px), True, False
        blur_filter=(1, 2, 1),      # after upsampling; None: none
        lod=0.0,                    # level of detail that training has reached
        final_activation=None,      # of the image: 'tanh', 'sigmoid', 'softsign'; None, as published: none
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.config = dict(resolution=resolution, dlatent_size=dlatent_size, num_channels=num_channels,
                           fmap_base=fmap_base, fmap_decay=fmap_decay, fmap_max=fmap_max, use_noise=use_noise,
                           fused_scale=fused_scale, blur_filter=blur_filter, lod=lod, final_activation=final_activation)
        self.resolution, self.lod, self.final_activation = resolution, lod, final_activation
        self.stages = layers.log2_resolution(resolution)
        self.num_layers = self.stages * 2 - 2       # L

        def width(stage):
            return layers.feature_maps(stage, fmap_base, fmap_decay, fmap_max)

        self.styled = []            # the L layers: constant and convolution at 4x4, then two per resolution
        self.to_rgb = []            # one per resolution, 4x4 first
        for i in range(self.num_layers):
            stage = i // 2 + 1
            inputs = None if i == 0 else width(stage - 1 if i % 2 == 0 else stage)
            up = i > 0 and i % 2 == 0
            self.styled.append(SynthesisLayer(inputs, width(stage), 2 ** (stage + 1), dlatent_size, up, use_noise,
                                              fused_scale, blur_filter, name=f"layer{i}"))
            if i % 2:
                self.to_rgb.append(layers.Conv(width(stage), num_channels, 1, gain=1.0, name=f"to_rgb{stage - 1}"))
        self.built = True

    @property
    def last_start(self):
        """The largest `start` that `call` accepts at the network's own level of detail: L in a trained network."""
        level = min(int(self.lod), self.stages - 2)
        return self.num_layers - 2 * level - (2 if self.lod > level else 0)

    def call(self, w, noise_seed=None, lod=None, fade=None, start=0, features=None, style_offsets=None):
        w = layers.expect_shape("w", w, [self.num_layers, self.config["dlatent_size"]])
        lod = self.lod if lod is None else lod
        level = min(int(lod), self.stages - 2)      # level of the finest layers that run
        fade = lod - level if fade is None else fade
        num_layers = self.num_layers - 2 * level
        whole = num_layers == 2 or (isinstance(fade, (int, float)) and fade <= 0)
        last = num_layers if whole else num_layers - 2
        if not 0 <= start <= last:
            raise ValueError(f"start: expected a layer from 0 to {last}; got {start}")
        features = self.run(w, start, num_layers - 2, features, noise_seed, style_offsets)
        coarser = features
        features = self.run(w, max(start, num_layers - 2), num_layers, features, noise_seed, style_offsets)
        image = layers.upscale(self.to_rgb[num_layers // 2 - 1](features), 2 ** level)
        if not whole:
            coarser = layers.upscale(self.to_rgb[num_layers // 2 - 2](coarser), 2 ** (level + 1))
            image = image + (coarser - image) * tf.cast(fade, image.dtype)
        return layers.final_activation(image, self.final_activation)

    def run(self, w, start, stop, features=None, noise_seed=None, style_offsets=None):
        """Run layers `start` to `stop` (exclusive): features [N, h, h, C] after layer start - 1 -> after stop - 1."""
        w, offsets = tf.convert_to_tensor(w), layers.split_styles(style_offsets, self.style_widths)
        for i in range(start, stop):
            seed = None if noise_seed is None else tf.random.experimental.stateless_fold_in(noise_seed, i)
            features = self.styled[i](features, w[:, i], noise_seed=seed, style_offset=offsets[i])
        return features

    @property
    def style_widths(self):
        """Channels of the style of each layer, 2C: S is their sum."""
        return [layer.style.weight.shape[1] for layer in self.styled]

    def styles(self, w):
        """Styles of codes, w [N, L, D] -> [N, S]: A(w) of all layers side by side, in each the scales, less 1, then
        the shifts.
        """
        return layers.styles_of(self.styled, w)

    def style_matrices(self):
        """Return L arrays [D, 2C], the stored matrices A that map w to the styles of the layers."""
        return [tf.convert_to_tensor(layer.style.weight).numpy() for layer in self.styled]

    def get_config(self):
        return dict(self.config, lod=self.lod)


def layer_name(i):
    """Return the official name of styled layer i: '4x4/Const', '4x4/Conv', '8x8/Conv0_up', '8x8/Conv1', ..."""
    side = 2 ** (i // 2 + 2)
    return f"{side}x{side}/" + (("Const", "Conv")[i] if i < 2 else ("Conv0_up", "Conv1")[i % 2])


def named_weights(synthesis):
    """Yield rows (official name, variable, layout); see `entry`."""
    for i, layer in enumerate(synthesis.styled):
        if layer.noise is not None:
            yield f"noise{i}", layer.noise, "NCHW"
    for i, layer in enumerate(synthesis.styled):
        name = layer_name(i)
        if layer.conv is None:
            yield f"{name}/const", layer.const, "NCHW"
        else:
            yield f"{name}/weight", layer.conv.weight, ""
        if layer.noise is not None:
            yield f"{name}/Noise/weight", layer.noise_weight, ""
        yield f"{name}/bias", layer.bias, ""
        yield from layer.style.named(f"{name}/StyleMod")
        if i % 2:
            yield from synthesis.to_rgb[i // 2].named(f"ToRGB_lod{(synthesis.num_layers - 1 - i) // 2}")


def sizes(config):
    """Yield rows (official name, shape) of the weights that depend on sizes; `config` is a generator's."""
    stages = layers.log2_resolution(config["resolution"])

    def width(stage):
        return layers.feature_maps(stage, config["fmap_base"], config["fmap_decay"], config["fmap_max"])

    for i in range(stages * 2 - 2):
        name = layer_name(i)
        if i > 0:
            yield f"{name}/weight", [3, 3, width((i + 1) // 2), width(i // 2 + 1)]
        yield f"{name}/StyleMod/weight", [config["dlatent_size"], width(i // 2 + 1) * 2]
        if config["use_noise"]:
            yield f"noise{i}", [1, 1, 4 << i // 2, 4 << i // 2]
    for stage in range(1, stages):
        yield f"ToRGB_lod{stages - 1 - stage}/weight", [1, 1, width(stage), config["num_channels"]]
