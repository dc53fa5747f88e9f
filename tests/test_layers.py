"""layers: every block against a NumPy or SciPy recomputation."""
from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from scipy.signal import correlate2d
from tiny import normal, relative

from tf_idinvert.networks import layers


def convolve(x, kernel):
    """Zero-padded correlation [N, H, W, I] with [k, k, I, O], by SciPy."""
    return np.stack([np.stack([
        sum(correlate2d(image[:, :, i], kernel[:, :, i, o], mode="same") for i in range(kernel.shape[2]))
        for o in range(kernel.shape[3])], axis=-1) for image in x])


@pytest.mark.parametrize("gain, lrmul", [(2 ** 0.5, 1.0), (1.0, 0.01)])
def test_dense_scales_weights_and_bias(gain, lrmul):
    layer = layers.Dense(5, 3, gain=gain, lrmul=lrmul)
    layer.bias.assign(normal(3))
    x = normal(2, 5, seed=1)
    expected = x @ (np.asarray(layer.weight) * gain / np.sqrt(5) * lrmul) + np.asarray(layer.bias) * lrmul
    assert relative(layer(x), expected) < 1e-5


@pytest.mark.parametrize("lrmul", [1.0, 0.01])
def test_stored_weights_are_normal_with_deviation_one_over_lrmul(lrmul):
    weight = np.asarray(layers.Dense(200, 200, lrmul=lrmul).weight)
    assert abs(weight.std() * lrmul - 1) < 0.02 and abs(weight.mean() * lrmul) < 0.02


@pytest.mark.parametrize("kernel", [1, 3])
def test_convolution(kernel):
    layer = layers.Conv(3, 4, kernel)
    layer.bias.assign(normal(4))
    x = normal(2, 6, 6, 3, seed=1)
    used = np.asarray(layer.weight) * np.sqrt(2 / (kernel * kernel * 3))
    assert relative(layer(x), convolve(x, used) + np.asarray(layer.bias)) < 1e-5


@pytest.mark.parametrize("resample, side", [("up", 16), ("down", 4)])
def test_resampling(resample, side):
    layer = layers.Conv(3, 4, 3, resample=resample, use_bias=False)
    x, kernel = normal(2, 8, 8, 3), np.asarray(layer.used_weight("float32"))
    if resample == "up":
        expected = convolve(x.repeat(2, 1).repeat(2, 2), kernel)
    else:
        expected = convolve(x, kernel).reshape(2, 4, 2, 4, 2, 4).mean(axis=(2, 4))
    assert layer(x).shape == (2, side, side, 4)
    assert relative(layer(x), expected) < 1e-5


@pytest.mark.parametrize("resample", ["up", "down"])
def test_fused_resampling_equals_unfused_with_the_kernel_rotated_upwards(resample):
    """Both forms of the official code, borders included: a transposed convolution turns the kernel round."""
    fused, unfused = (layers.Conv(3, 4, 3, resample=resample, fused=value) for value in (True, False))
    kernel = np.asarray(fused.weight)
    unfused.weight.assign(kernel[::-1, ::-1] if resample == "up" else kernel)
    x = normal(2, 8, 8, 3)
    assert relative(fused(x), unfused(x)) < 1e-5


def test_large_unfused_upsampling_is_the_convolution_of_the_enlarged_picture():
    layer = layers.Conv(3, 4, 3, resample="up", use_bias=False)
    x = normal(2, 32, 34, 3)
    expected = tf.nn.conv2d(x.repeat(2, 1).repeat(2, 2), layer.used_weight("float32"), 1, "SAME")
    assert relative(layer(x), expected) < 1e-5


@pytest.mark.parametrize("fused_scale, side, fused", [
    ("auto", 64, False), ("auto", 128, True), ("auto", 1024, True), (True, 8, True), (False, 1024, False)])
def test_fusion_follows_the_resolution(fused_scale, side, fused):
    assert layers.is_fused(fused_scale, side) is fused


def test_unknown_fused_scale():
    with pytest.raises(ValueError, match="fused_scale must be 'auto', True or False; got 'yes'"):
        layers.is_fused("yes", 8)


@pytest.mark.parametrize("blur_filter", [(1, 2, 1), (1, 3, 3, 1, 2), None])
def test_blur(blur_filter):
    x = normal(2, 6, 6, 3)
    expected = x
    if blur_filter is not None:
        kernel = np.outer(blur_filter, blur_filter) / np.sum(blur_filter) ** 2
        expected = np.stack([np.stack([correlate2d(x[n, :, :, c], kernel, mode="same") for c in range(3)], -1)
                             for n in range(2)])
    assert relative(layers.blur(x, blur_filter), expected) < 1e-5


def test_scaling_of_images():
    x = normal(2, 4, 4, 3)
    assert np.array_equal(layers.upscale(x, 2), x.repeat(2, 1).repeat(2, 2))
    assert np.array_equal(layers.upscale(x, 4), x.repeat(4, 1).repeat(4, 2))
    assert relative(layers.downscale(x, 2), x.reshape(2, 2, 2, 2, 2, 3).mean(axis=(2, 4))) < 1e-5
    assert layers.upscale(x, 1) is x and layers.downscale(x, 1) is x


@pytest.mark.parametrize("factor", [2, 4])
def test_gradients_of_upscaling_are_those_of_repeating(rng, factor):
    """Twice over, as a penalty on gradients needs them."""
    x, weights = (tf.constant(rng.standard_normal([2, 3 * k, 5 * k, 4])) for k in (1, factor))
    found = []
    for repeat in layers.upscale, lambda x, k: tf.repeat(tf.repeat(x, k, axis=1), k, axis=2):
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                y = tf.reduce_sum(tf.sin(repeat(x, factor) * weights))
            gradient = inner.gradient(y, x)
            square = tf.reduce_sum(gradient ** 2)
        found.append((gradient, outer.gradient(square, x)))
    for ours, expected in zip(*found):
        np.testing.assert_allclose(ours, expected, rtol=1e-12)


def twice_differentiated(function, *arguments):
    """Gradients of a curved function of `function`, and gradients of the sum of their squares."""
    with tf.GradientTape() as outer:
        outer.watch(arguments)
        with tf.GradientTape() as inner:
            inner.watch(arguments)
            y = tf.reduce_sum(tf.sin(function(*arguments)))
        gradients = inner.gradient(y, arguments)
        squares = tf.add_n([tf.reduce_sum(gradient ** 2) for gradient in gradients])
    return gradients, outer.gradient(squares, arguments)


def same_gradients(function, plain, *arguments):
    """Whether both gradients of a function are those of its formula, in float64, executed eagerly and in a graph."""
    for how in (lambda f: f), tf.function:
        for ours, expected in zip(*(tf.nest.flatten(how(twice_differentiated)(f, *map(tf.constant, arguments)))
                                    for f in (function, plain))):
            np.testing.assert_allclose(ours, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_gradients_of_products_are_those_of_the_formula(rng, rows):
    same_gradients(layers.matmul, tf.matmul, rng.standard_normal([rows, 4]), rng.standard_normal([4, 3]))


def test_gradients_of_the_norm_are_those_of_the_formula(rng):
    def plain(x, scale, shift):
        mean, variance = tf.nn.moments(x, [1, 2], keepdims=True)
        return (x - mean) / tf.sqrt(variance + 1e-8) * scale + shift

    same_gradients(layers.adaptive_instance_norm, plain, rng.standard_normal([2, 3, 5, 4]),
                   rng.standard_normal([2, 1, 1, 4]), rng.standard_normal([2, 1, 1, 4]))


def test_norms_and_activation():
    x = normal(2, 4, 4, 3) + 2
    mean, variance = x.mean(axis=(1, 2), keepdims=True), x.var(axis=(1, 2), keepdims=True)
    scale, shift = normal(2, 1, 1, 3, seed=1), normal(2, 1, 1, 3, seed=2)
    expected = (x - mean) / np.sqrt(variance + 1e-8) * scale + shift
    assert relative(layers.adaptive_instance_norm(x, scale, shift), expected) < 1e-5
    z = normal(3, 8)
    assert relative(layers.pixel_norm(z), z / np.sqrt((z ** 2).mean(axis=1, keepdims=True) + 1e-8)) < 1e-5
    assert not np.isnan(layers.pixel_norm(np.zeros((1, 8), "float32"))).any()
    assert relative(layers.leaky_relu(z), np.maximum(z, 0.2 * z)) < 1e-6


@pytest.mark.parametrize("count, group_size", [(4, 4), (8, 4), (12, 4), (3, 4), (1, 4), (6, 2)])
@pytest.mark.parametrize("features", [1, 2])
def test_minibatch_stddev_measures_images_that_lie_apart(count, group_size, features):
    x = normal(count, 3, 3, 4)
    group = min(group_size, count)
    groups = count // group
    maps = np.zeros((count, features))
    for member in range(count):
        peers = x[member % groups::groups]                                  # N / group apart
        assert len(peers) == group
        deviation = np.sqrt(peers.var(axis=0) + 1e-8)                       # [H, W, C]
        maps[member] = deviation.reshape(3, 3, features, -1).mean(axis=(0, 1, 3))
    y = layers.minibatch_stddev(x, group_size, features)
    assert y.shape == (count, 3, 3, 4 + features) and np.array_equal(y[..., :4], x)
    assert relative(y[..., 4:], np.broadcast_to(maps[:, None, None], (count, 3, 3, features))) < 1e-5


@pytest.mark.parametrize("group_size", [0, 1])
def test_minibatch_stddev_of_no_group_appends_nothing(group_size):
    x = normal(2, 3, 3, 4)
    assert layers.minibatch_stddev(x, group_size, 1) is x


def test_feature_maps_of_the_published_networks():
    assert [layers.feature_maps(stage, 8192, 1.0, 512) for stage in range(10)] == [512] * 5 + [256, 128, 64, 32, 16]


@pytest.mark.parametrize("resolution", [0, 2, 6, -8, 1000])
def test_resolution_is_a_power_of_two(resolution):
    with pytest.raises(ValueError, match=f"power of two, at least 4; got {resolution}"):
        layers.log2_resolution(resolution)
    assert layers.log2_resolution(1024) == 10


def test_expected_shape():
    assert layers.expect_shape("x", normal(5, 2, 3), [2, 3]).shape == (5, 2, 3)
    for shape in [(5, 3, 2), (2, 3), (5, 2, 3, 1)]:
        with pytest.raises(ValueError, match=r"^x: expected \[N, 2, 3\]; got \["):
            layers.expect_shape("x", normal(*shape), [2, 3])
