"""Building blocks of the StyleGAN networks, channels last.

Source: Karras et al. 2019 (A Style-Based Generator Architecture for GANs) and Karras et al. 2018 (Progressive Growing
of GANs). Weights have the shapes of the official files (`[kh, kw, in, out]`, `[in, out]`). A layer creates its weights
in its constructor, so a new network can load weights from a file before its first call.
"""
from __future__ import annotations

import contextlib
import contextvars

import keras
import numpy as np
import tensorflow as tf

LEAKY_SLOPE = 0.2
FINAL_ACTIVATIONS = {"tanh": tf.tanh, "sigmoid": tf.sigmoid, "softsign": tf.nn.softsign}
FUSED_FROM = 128    # `fused_scale='auto'` fuses resampling with its convolution if the larger side has this many pixels
CHEAPER_FROM = 64   # from this side on, the fused form is the cheaper one: below, summing the kernel costs more
_filled_later = contextvars.ContextVar("filled_later", default=False)


@contextlib.contextmanager
def filled_later():
    """Within, new networks draw no random weights, since all their weights are about to be replaced."""
    token = _filled_later.set(True)
    try:
        yield
    finally:
        _filled_later.reset(token)


def normal(deviation):
    """Return the initializer of weights from N(0, deviation^2)."""
    return zeros if _filled_later.get() else keras.initializers.RandomNormal(0.0, deviation)


def zeros(shape, dtype=None, **_):
    """The initializer of biases; Keras' own takes three times as long, which a network of hundreds of weights feels."""
    return tf.convert_to_tensor(np.zeros(shape, tf.as_dtype(dtype or "float32").as_numpy_dtype))


def expect_shape(name, x, shape):
    """Return x as a tensor; ValueError if its static shape contradicts [N, *shape]."""
    x = tf.convert_to_tensor(x)
    if not x.shape.is_compatible_with([None, *shape]):
        raise ValueError(f"{name}: expected [N, {', '.join(map(str, shape))}]; got {x.shape.as_list()}")
    return x


def final_activation(x, name):
    """Apply the activation `name`, a key of FINAL_ACTIVATIONS; None: return the image unchanged."""
    return x if name is None else FINAL_ACTIVATIONS[name](x)


def leaky_relu(x):
    return tf.nn.leaky_relu(x, LEAKY_SLOPE)


def matmul(x, weight):
    """`[N, I] @ [I, O] -> [N, O]`, with a gradient that is fast for few rows.

    TensorFlow's gradient by x, `dy @ weight^T`, takes ten times as long with two to four rows as with sides exchanged.
    """
    @tf.custom_gradient
    def product(x, weight):
        def gradient(dy):
            by_x = tf.matmul(dy, weight, transpose_b=True) if dy.shape[0] == 1 else tf.transpose(
                tf.matmul(weight, dy, transpose_b=True))
            return by_x, tf.matmul(x, dy, transpose_a=True)
        return tf.matmul(x, weight), gradient

    return product(x, weight)


def feature_maps(stage, fmap_base, fmap_decay, fmap_max, fmap_min=0):
    """Return the channels at `stage` (resolution 2^(stage+1)).

    The number is `int(fmap_base / 2^(stage * fmap_decay))`, clipped to fmap_min..fmap_max.
    """
    return min(max(int(fmap_base / 2.0 ** (stage * fmap_decay)), fmap_min), fmap_max)


def log2_resolution(resolution):
    """Return log2 of a network's resolution; ValueError unless it is a power of two, at least 4."""
    stages = int(resolution).bit_length() - 1
    if resolution < 4 or resolution != 2 ** stages:
        raise ValueError(f"resolution must be a power of two, at least 4; got {resolution}")
    return stages


def is_fused(fused_scale, larger_side):
    """Return whether resampling and convolution are one operation; `fused_scale` is 'auto', True or False."""
    if fused_scale not in ("auto", True, False):
        raise ValueError(f"fused_scale must be 'auto', True or False; got {fused_scale!r}")
    return larger_side >= FUSED_FROM if fused_scale == "auto" else bool(fused_scale)


def split_styles(offsets, widths):
    """Split offsets of styles, [N, S], into a list of [N, width] for each layer; of None, a list of None.

    Raises:
        ValueError: S is not the sum of the widths.
    """
    if offsets is None:
        return [None] * len(widths)
    return tf.split(expect_shape("style_offsets", offsets, [sum(widths)]), widths, axis=1)


def styles_of(layers, w):
    """Styles A(w) of styled layers side by side: w [N, L, D], layer i taking w[:, i] -> [N, S]."""
    w = tf.convert_to_tensor(w)
    return tf.concat([layer.style(w[:, i]) for i, layer in enumerate(layers)], axis=1)


class EqualizedLayer(keras.layers.Layer):
    """Base class of Dense and Conv: equalized learning rate (Karras et al. 2018, section 4.1).

    The stored weight is initialised from N(0, 1 / lrmul^2). The layer uses `stored * gain / sqrt(fan_in) * lrmul` as
    weight and `stored * lrmul * bias_gain` as bias. `bias_gain` is 1 in StyleGAN. StyleGAN2 applies its gain after the
    activation; leaky ReLU commutes with positive factors, so here weight and bias have the gain: `bias_gain` equals it.
    """

    def __init__(self, shape, gain, lrmul, use_bias, bias_gain=1.0, **kwargs):
        super().__init__(**kwargs)
        self.weight_scale = gain / np.sqrt(np.prod(shape[:-1])) * lrmul
        self.bias_scale = lrmul * bias_gain
        self.weight = self.add_weight(name="weight", shape=shape, initializer=normal(1.0 / lrmul),
                                      trainable=True)
        self.bias = None
        if use_bias:
            self.bias = self.add_weight(name="bias", shape=shape[-1:], initializer=zeros, trainable=True)
        self.built = True

    def used_weight(self, dtype):
        return tf.cast(self.weight * self.weight_scale, dtype)

    def named(self, name):
        """Yield rows (official name, variable, layout) of the weights; see `entry`."""
        yield f"{name}/weight", self.weight, ""
        if self.bias is not None:
            yield f"{name}/bias", self.bias, ""

    def add_bias(self, x):
        return x if self.bias is None else x + tf.cast(self.bias * self.bias_scale, x.dtype)


class Dense(EqualizedLayer):
    """`[N, inputs] -> [N, outputs]`; `gain` is sqrt(2) before an activation, 1 otherwise."""

    def __init__(self, inputs, outputs, gain=2 ** 0.5, lrmul=1.0, use_bias=True, bias_gain=1.0, **kwargs):
        super().__init__((inputs, outputs), gain, lrmul, use_bias, bias_gain, **kwargs)

    def call(self, x):
        return self.add_bias(matmul(x, self.used_weight(x.dtype)))


class Conv(EqualizedLayer):
    """`[N, H, W, inputs] -> [N, H', W', outputs]`, zero padded; `resample` None, 'up' (H' = 2H) or 'down' (H' = H/2).

    Unfused, nearest-neighbour upsampling precedes the convolution, or 2x2 averaging follows it. Fused, the layer is one
    convolution of stride 2 with the sum of the kernel over its four one-pixel shifts. For 'down', both forms are the
    same function. For 'up', the fused form is a transposed convolution and corresponds to the kernel rotated by 180
    degrees, as in the official code, so weights trained in one form do not fit the other. The fused form has half the
    multiplications, so large unfused layers are computed in it, too, by a rotated kernel.
    """

    def __init__(self, inputs, outputs, kernel, gain=2 ** 0.5, use_bias=True, resample=None, fused=False, bias_gain=1.0,
                 **kwargs):
        super().__init__((kernel, kernel, inputs, outputs), gain, 1.0, use_bias, bias_gain, **kwargs)
        self.resample, self.fused, self.outputs = resample, fused, outputs

    def call(self, x):
        weight = self.used_weight(x.dtype)
        if self.resample == "up" and (self.fused or (x.shape[1] or 0) * 2 >= CHEAPER_FROM):
            kernel, size = sum_of_shifts(weight if self.fused else weight[::-1, ::-1]), tf.shape(x)
            y = tf.nn.conv2d_transpose(x, tf.transpose(kernel, [0, 1, 3, 2]),
                                       [size[0], size[1] * 2, size[2] * 2, self.outputs], 2, "SAME")
            sides = [side and side * 2 for side in x.shape[1:3]]
            return self.add_bias(tf.ensure_shape(y, [None, *sides, self.outputs]))
        if self.resample == "down" and self.fused:
            return self.add_bias(tf.nn.conv2d(x, sum_of_shifts(weight) * 0.25, 2, "SAME"))
        y = tf.nn.conv2d(upscale(x) if self.resample == "up" else x, weight, 1, "SAME")
        return self.add_bias(downscale(y) if self.resample == "down" else y)


def sum_of_shifts(kernel):
    """Convolve the kernel with a 2x2 box: `[k, k, in, out] -> [k + 1, k + 1, in, out]`."""
    none = [0, 0]       # pad the shifted kernels: slices of a padded kernel have slow gradients
    kernel = tf.pad(kernel, [[0, 1], none, none, none]) + tf.pad(kernel, [[1, 0], none, none, none])
    return tf.pad(kernel, [none, [0, 1], none, none]) + tf.pad(kernel, [none, [1, 0], none, none])


def upscale(x, factor=2):
    """Nearest-neighbour upsampling, `[N, H, W, C] -> [N, H * factor, W * factor, C]`."""
    @tf.custom_gradient     # TensorFlow's gradient sums over two of six axes and takes several times as long
    def repeat(x):
        n, h, w, c = tf.shape(x)[0], *x.shape[1:]
        y = tf.broadcast_to(tf.reshape(x, [n, h, 1, w, 1, c]), [n, h, factor, w, factor, c])
        return tf.reshape(y, [n, h * factor, w * factor, c]), lambda dy: downscale(dy, factor) * factor ** 2

    return x if factor == 1 else repeat(x)


def downscale(x, factor=2):
    """Mean over `factor` x `factor` blocks, `[N, H, W, C] -> [N, H / factor, W / factor, C]`."""
    return x if factor == 1 else tf.nn.avg_pool2d(x, factor, factor, "VALID")


def blur(x, blur_filter):
    """Depthwise, zero-padded convolution with the outer product of `blur_filter` with itself, normalised to sum 1."""
    if blur_filter is None:
        return x
    kernel = np.outer(blur_filter, blur_filter).astype("float32")
    kernel = np.tile((kernel / kernel.sum())[:, :, None, None], [1, 1, x.shape[-1], 1])
    return tf.nn.depthwise_conv2d(x, tf.constant(kernel, x.dtype), [1, 1, 1, 1], "SAME")


def pixel_norm(x, epsilon=1e-8):
    """Scale every feature vector to unit mean square: `x / sqrt(mean(x^2) + epsilon)` over the last axis."""
    return x * tf.math.rsqrt(tf.reduce_mean(tf.square(x), axis=-1, keepdims=True) + epsilon)


def adaptive_instance_norm(x, scale, shift, epsilon=1e-8):
    """Give every image's channels their mean and deviation: `scale * (x - mean) / sqrt(variance + epsilon) + shift`.

    Args:
        x: [N, H, W, C]; mean and (biased) variance are taken over height and width.
        scale, shift: [N, 1, 1, C].
    Source: Karras et al. 2019, Eq. (1).
    """
    @tf.custom_gradient     # passes over the image half as often as TensorFlow's
    def normalise(x, scale, shift):
        pixels = tf.cast(tf.reduce_prod(tf.shape(x)[1:3]), x.dtype)
        centred = x - tf.reduce_mean(x, axis=[1, 2], keepdims=True)
        inverse = tf.math.rsqrt(tf.reduce_mean(tf.square(centred), axis=[1, 2], keepdims=True) + epsilon)
        factor = scale * inverse

        def gradient(dy):
            by_shift = tf.reduce_sum(dy, axis=[1, 2], keepdims=True)
            by_scale = tf.reduce_sum(dy * centred, axis=[1, 2], keepdims=True) * inverse
            means = by_scale * inverse / pixels, by_shift / pixels
            return factor * dy - (centred * (factor * means[0]) + factor * means[1]), by_scale, by_shift
        return centred * factor + shift, gradient

    return normalise(x, scale, shift)


def minibatch_stddev(x, group_size, num_features):
    """Append the standard deviation within groups of the batch as `num_features` constant maps.

    The members of a group are `N / group_size` apart in the batch, as in the official code. A batch smaller than
    `group_size` is one group.

    Args:
        x: [N, H, W, C]; N must be a multiple of `min(group_size, N)`, C of `num_features`.
        group_size: images in a group; 0 or 1: nothing is appended.
        num_features: number of maps; every map summarises C / num_features channels.
    Returns:
        [N, H, W, C + num_features], or x itself.

    Source: Karras et al. 2018, section 3.
    """
    if group_size <= 1:
        return x
    n, (h, w, c) = tf.shape(x)[0], x.shape[1:]
    group = tf.minimum(group_size, n)
    y = tf.reshape(x, [group, -1, h, w, num_features, c // num_features])      # [G, M, H, W, F, C/F]
    y = y - tf.reduce_mean(y, axis=0, keepdims=True)
    y = tf.sqrt(tf.reduce_mean(tf.square(y), axis=0) + 1e-8)                   # [M, H, W, F, C/F]
    y = tf.reduce_mean(y, axis=[1, 2, 4])[:, None, None, :]                    # [M, 1, 1, F]
    return tf.concat([x, tf.tile(y, [group, h, w, 1])], axis=-1)               # [N, H, W, C + F]


def logit_of_labels(logits, labels, label_size):
    """Select the logit of every image's label.

    Args:
        logits: [N, max(label_size, 1)], the output of a discriminator's last layer.
        labels: [N, label_size], one-hot; ignored if `label_size` is 0.
    Returns:
        [N, 1].
    Raises:
        ValueError: labels are needed and missing.
    Source: the published discriminators of StyleGAN and StyleGAN2.
    """
    if not label_size:
        return logits
    if labels is None:
        raise ValueError(f"this network needs labels [N, {label_size}]; got none")
    return tf.reduce_sum(logits * tf.cast(labels, logits.dtype), axis=1, keepdims=True)
