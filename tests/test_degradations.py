"""degradations: comparison with NumPy or Pillow, gradients, composites, wrong arguments."""
from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tiny import normal, relative

from tf_idinvert.errors import InputError
from tf_idinvert.restoration.degradations import (
    Blur, Downsampling, Identity, Luminance, Mask, add_noise, bilinear_matrix)

SIDE = 16
KNOWN = np.ones([SIDE, SIDE], "float32")
KNOWN[4:9, 6:12] = 0
ALL = [Identity(), Luminance(), Downsampling(SIDE, 4), Mask(KNOWN), Blur(SIDE, 1.3)]
PUBLISHED = [Downsampling(SIDE, 4, bilinear_matrix), Mask(KNOWN, 0.0)]


def pictures(count=2, seed=0):
    return np.tanh(normal(count, SIDE, SIDE, 3, seed=seed))


def resized(image, side, kind):
    """Pillow's resizing, channel by channel in float32."""
    channels = [Image.fromarray(image[..., c]).resize((side, side), kind) for c in range(3)]
    return np.stack([np.asarray(channel) for channel in channels], axis=-1)


# ---- what is observed

def test_luminance():
    x = pictures()
    expected = 0.299 * x[..., 0] + 0.587 * x[..., 1] + 0.114 * x[..., 2]
    grey = np.asarray(Luminance()(x))
    assert grey.shape == x.shape and all(relative(grey[..., c], expected) < 1e-6 for c in range(3))


@pytest.mark.parametrize("factor", [2, 4, 8, 16])
def test_downsampling_is_pillows(factor):
    x = pictures()
    small = np.asarray(Downsampling(SIDE, factor)(x))
    for image, made in zip(x, small):
        assert relative(made, resized(image, SIDE // factor, Image.Resampling.BICUBIC)) < 1e-5


def test_enlargement_is_pillows():
    phi = Downsampling(SIDE, 4)
    small = np.asarray(phi(pictures()))
    for image, made in zip(small, np.asarray(phi.plain(small))):
        assert relative(made, resized(image, SIDE, Image.Resampling.BICUBIC)) < 1e-5


def test_downsampling_is_antialiased():
    stripes = np.ones([1, SIDE, SIDE, 3], "float32")
    stripes[:, :, 1::2] = -1
    assert np.abs(Downsampling(SIDE, 4)(stripes)[:, :, 1:-1]).max() < 0.05


@pytest.mark.parametrize("side, factor, expected", [        # F.interpolate(x, scale_factor=1 / factor, mode='bilinear')
    (8, 4, [1.985, 3.225, 20.865, 24.665]), (9, 3, [1.0, 1.69, 2.56, 13.69, 16.0, 18.49, 40.96, 44.89, 49.0]),
    (16, 16, [163.205])])
def test_bilinear_downsampling_is_pytorchs(side, factor, expected):
    x = np.repeat((np.arange(side ** 2, dtype="float64") ** 2 / 100).reshape(1, side, side, 1), 3, axis=-1)
    small = np.asarray(Downsampling(side, factor, bilinear_matrix)(x))
    assert all(small[..., c].ravel() == pytest.approx(expected) for c in range(3))


def test_a_grey_mask():
    x = pictures()
    assert np.array_equal(Mask(KNOWN, 0.0)(x), x * KNOWN[None, :, :, None])
    plain = np.asarray(Mask(KNOWN, 0.0).plain(Mask(KNOWN, 0.0)(x)))
    assert np.allclose(plain, Mask(KNOWN).plain(Mask(KNOWN)(x)), atol=1e-6)


def test_blur_by_hand():
    x, sigma = pictures(1), 1.3
    at = np.arange(SIDE)
    weights = np.exp(-((at - 5) ** 2) / (2 * sigma ** 2))[:, None] * np.exp(-((at - 15) ** 2) / (2 * sigma ** 2))
    expected = (x[0] * weights[..., None]).sum((0, 1)) / weights.sum()
    assert relative(np.asarray(Blur(SIDE, sigma)(x))[0, 5, 15], expected) < 1e-5
    assert relative(Blur(SIDE, 0.0)(x), x) < 1e-6


def test_mask_hides_what_is_missing():
    x, other = pictures(), pictures(seed=1)
    seen = Mask(KNOWN)(x)
    assert np.array_equal(seen[:, KNOWN == 0], np.full([2, 30, 3], -1)) and relative(seen[:, KNOWN == 1],
                                                                                     x[:, KNOWN == 1]) < 1e-6
    mixed = np.where(KNOWN[None, :, :, None] == 1, x, other)
    assert np.array_equal(Mask(KNOWN)(mixed), seen)


# ---- the picture without a network, and what is put back

def test_plain_inpainting_is_the_mean_of_what_is_known():
    x = pictures()
    plain = np.asarray(Mask(KNOWN).plain(Mask(KNOWN)(x)))
    for image, made in zip(x, plain):
        assert np.allclose(made[KNOWN == 0], image[KNOWN == 1].mean(axis=0), atol=1e-5)
        assert np.allclose(made[KNOWN == 1], image[KNOWN == 1], atol=1e-6)


@pytest.mark.parametrize("phi", ALL, ids=lambda phi: type(phi).__name__)
def test_plain_pictures_have_full_size(phi):
    assert tuple(phi.plain(phi(pictures())).shape) == (2, SIDE, SIDE, 3)


@pytest.mark.parametrize("phi", ALL[1:4] + PUBLISHED, ids=lambda phi: type(phi).__name__)
def test_composites_have_the_observation(phi):
    observed, restored = phi(pictures()), pictures(seed=1)
    composite = phi.composite(restored, observed)
    assert np.allclose(phi(composite), observed, atol=1e-5)
    assert not np.allclose(composite, restored, atol=0.1)
    assert np.allclose(phi.composite(composite, observed), composite, atol=1e-5), "nothing left to put back"


def test_composites_keep_what_was_restored():
    x, restored = pictures(), pictures(seed=1)
    colours = np.asarray(Luminance().composite(restored, Luminance()(x)))
    assert np.allclose(colours[..., 0] - colours[..., 2], restored[..., 0] - restored[..., 2], atol=1e-6)
    holes = np.asarray(Mask(KNOWN).composite(restored, Mask(KNOWN)(x)))
    assert np.array_equal(holes[:, KNOWN == 0], restored[:, KNOWN == 0])


@pytest.mark.parametrize("phi", [ALL[0], ALL[4]], ids=lambda phi: type(phi).__name__)
def test_nothing_is_known_exactly(phi):
    assert phi.composite(pictures(), phi(pictures())) is None


# ---- gradients

@pytest.mark.parametrize("phi", ALL, ids=lambda phi: type(phi).__name__)
def test_gradients(phi):
    """Numerically, in float64: phi is affine, so finite differences of any size are exact."""
    x, direction = tf.constant(pictures(), tf.float64), normal(2, SIDE, SIDE, 3, seed=2).astype("float64")
    if isinstance(phi, Mask):
        x, direction = tf.cast(x, tf.float32), direction.astype("float32")
    weights = normal(*phi(x).shape, seed=3)

    def value(images):
        return tf.reduce_sum(phi(images) * weights)

    with tf.GradientTape() as tape:
        tape.watch(x)
        y = value(x)
    gradient = np.asarray(tape.gradient(y, x), "float64")
    difference = float(value(x + direction) - value(x - direction)) / 2
    assert (gradient * direction).sum() == pytest.approx(difference, rel=1e-4)


# ---- noise

def test_noise_depends_on_seed_and_place_only():
    x = np.zeros([3, SIDE, SIDE, 3], "float32")
    noisy = add_noise(x, 0.2, 7)
    assert noisy.dtype == np.float32 and noisy.std() == pytest.approx(0.2, rel=0.05) and abs(noisy.mean()) < 0.02
    assert np.array_equal(add_noise(x[:1], 0.2, 7, first=2), noisy[2:])
    assert not np.array_equal(add_noise(x, 0.2, 8), noisy) and not np.array_equal(noisy[0], noisy[1])
    assert np.abs(add_noise(x, 5.0, 0)).max() == 1


# ---- what is refused

@pytest.mark.parametrize("make, message", [
    (lambda: Downsampling(SIDE, 1), "downsampling: expected a factor from 2 to 16 that divides 16; got 1"),
    (lambda: Downsampling(SIDE, 3), "downsampling: expected a factor from 2 to 16 that divides 16; got 3"),
    (lambda: Downsampling(64, 32), "downsampling: expected a factor from 2 to 16 that divides 64; got 32"),
    (lambda: Blur(SIDE, -1), "blur: expected a standard deviation of 0 or more; got -1"),
    (lambda: Blur(SIDE, np.nan), "blur: expected a standard deviation of 0 or more; got nan"),
    (lambda: Mask(np.ones([4, 4])), "mask: nothing is missing; expected a part"),
    (lambda: Mask(np.zeros([4, 4])), "mask: everything is missing; expected a part"),
    (lambda: Mask(np.eye(4) / 2), "mask: expected zeros and ones [R, R]; got shape [4, 4], values from 0 to 0.5"),
    (lambda: Luminance()(np.zeros([1, 4, 4, 1])), "luminance: expected pictures of 3 channels; got 1")])
def test_refused(make, message):
    with pytest.raises(InputError) as caught:
        make()
    assert str(caught.value) == message
