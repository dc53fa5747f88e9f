"""Degradations: differentiable maps phi from a picture to the observation that restoration starts from.

Restoration searches a picture x of the generator with phi(x) = y, where y is the observation. All degradations are
affine. Blur and downsampling are separable: one matrix acts on rows and columns, which runs on any device and has exact
gradients. Images are float32 [N, R, R, 3], RGB, in [-1, 1].

Source: Gu et al. 2020 (Image Processing Using Multi-Code GAN Prior), section 3.3: grey values, downsampling, a mask.
"""
from __future__ import annotations

import numpy as np
import tensorflow as tf

from tf_idinvert.errors import InputError

LUMA = (0.299, 0.587, 0.114)        # weights of R, G, B in grey: ITU-R BT.601, as in the published code
FACTORS = (2, 16)                   # lowest and highest factor of downsampling
CUBIC = -0.5                        # parameter of the cubic kernel, as in Keys 1981 and in Pillow
MISSING = -1.0                      # value of missing pixels, as in semantic diffusion


class Identity:
    """No degradation: `degradation(images)` -> observation, here the images. Base class of the other degradations."""

    def __call__(self, images):
        return images

    def plain(self, observed):
        """Return a restoration [N, R, R, 3] without a network; the search starts at its code."""
        return observed

    def composite(self, restored, observed):
        """Return the restored picture with the known parts of the input put back; None if nothing is known exactly."""
        return None


class Luminance(Identity):
    """Loss of colour: images -> grey, three equal channels."""

    def __call__(self, images):
        if images.shape[-1] != 3:
            raise InputError(f"luminance: expected pictures of 3 channels; got {images.shape[-1]}")
        grey = tf.reduce_sum(images * tf.constant(LUMA, images.dtype), axis=-1, keepdims=True)
        return tf.repeat(grey, 3, axis=-1)

    def composite(self, restored, observed):
        """Return the restored picture with the observed grey values; differences between channels are kept."""
        return restored + (observed - self(restored))


class Separable(Identity):
    """Linear map of rows and columns: images [N, R, R, C] -> [N, r, r, C], M x M^T in every channel.

    Args:
        matrix: M, [r, R].
    """

    def __init__(self, matrix):
        self.matrix = np.asarray(matrix, "float64")

    def __call__(self, images):
        return _separable(self.matrix, images)


class Blur(Separable):
    """Gaussian blur; at borders, the kernel is cut off and normalised.

    The denoising task compares blurred pictures: details finer than the blur count as noise and are left to the
    generator.

    Args:
        resolution: R, side of the pictures in pixels.
        sigma: standard deviation in pixels, >= 0; 0: no blur.
    Raises:
        InputError: a negative sigma.
    """

    def __init__(self, resolution, sigma):
        if not 0 <= sigma < np.inf:
            raise InputError(f"blur: expected a standard deviation of 0 or more; got {sigma}")
        distance = np.arange(resolution)[:, None] - np.arange(resolution)[None]
        weights = np.exp(-np.square(distance / sigma) / 2) if sigma else np.eye(resolution)
        super().__init__(weights / weights.sum(axis=1, keepdims=True))


class Downsampling(Separable):
    """Downsampling, by default antialiased bicubic: the kernel is widened by the factor, as in Pillow.

    Args:
        resolution: R, side of the pictures in pixels.
        factor: a whole number from 2 to 16 that divides R.
        weights: function that gives M, `bicubic_matrix` or `bilinear_matrix`.
    Raises:
        InputError: another factor.
    """

    def __init__(self, resolution, factor, weights=None):
        if not FACTORS[0] <= factor <= FACTORS[1] or resolution % factor:
            raise InputError(f"downsampling: expected a factor from {FACTORS[0]} to {FACTORS[1]} that divides "
                             f"{resolution}; got {factor}")
        super().__init__((weights or bicubic_matrix)(resolution, resolution // factor))
        self.enlarge = bicubic_matrix(resolution // factor, resolution)
        self.inverse = np.linalg.pinv(self.matrix)

    def plain(self, observed):
        """Enlarge the observation by bicubic interpolation."""
        return _separable(self.enlarge, observed)

    def composite(self, restored, observed):
        """Return the picture closest to the restored one among those that become `observed` when downsampled."""
        return restored + _separable(self.inverse, observed - self(restored))


class Mask(Identity):
    """Missing pixels: they are set to MISSING, or to another value.

    Args:
        known: [R, R], 1 for known pixels, 0 for missing ones; both must occur.
        missing: value of the missing pixels.
    Raises:
        InputError: other values or another shape.
    """

    def __init__(self, known, missing=MISSING):
        known = np.asarray(known, "float32")
        if known.ndim != 2 or not np.isin(known, (0, 1)).all():
            raise InputError(f"mask: expected zeros and ones [R, R]; got shape {list(known.shape)}, values "
                             f"from {known.min():g} to {known.max():g}")
        if known.min() == known.max():
            raise InputError(f"mask: {'nothing' if known.max() else 'everything'} is missing; expected a part")
        self.known, self.missing = known[None, :, :, None], missing

    def __call__(self, images):
        return (images - self.missing) * self.known + self.missing

    def plain(self, observed):
        """Fill the missing pixels with the mean colour of the known ones."""
        total = tf.reduce_sum((observed - self.missing) * self.known, axis=(1, 2), keepdims=True)
        return self.composite(total / self.known.sum() + self.missing, observed)

    def composite(self, restored, observed):
        """Return the known pixels of the input and the missing ones of the restored picture."""
        return observed * self.known + restored * (1.0 - self.known)


def add_noise(images, deviation, seed, first=0):
    """Add Gaussian noise and clip to [-1, 1], as a picture file would.

    Args:
        images: float32 [N, R, R, C] in [-1, 1].
        deviation: standard deviation of the noise, on the same scale.
        seed, first: whole numbers; the noise of image i depends on `seed` and `first` + i alone.
    """
    noise = [np.random.default_rng([seed, first + i]).standard_normal(images.shape[1:]) for i in range(len(images))]
    return np.clip(images + deviation * np.stack(noise), -1, 1).astype("float32")


def bicubic_matrix(inputs, outputs):
    """Return the weights [outputs, inputs] of bicubic resampling, antialiased if it downsamples; rows sum to 1."""
    scale = inputs / outputs
    centres = (np.arange(outputs) + 0.5) * scale
    x = np.abs((np.arange(inputs) + 0.5)[None] - centres[:, None]) / max(scale, 1.0)
    near = ((CUBIC + 2) * x - (CUBIC + 3)) * x ** 2 + 1
    far = ((x - 5) * x + 8) * x * CUBIC - 4 * CUBIC
    weights = np.where(x < 1, near, np.where(x < 2, far, 0))
    return weights / weights.sum(axis=1, keepdims=True)


def bilinear_matrix(inputs, outputs):
    """Return the weights [outputs, inputs] of bilinear downsampling without antialiasing, between half-pixel centres:
    with an even factor the mean of the two pixels in the middle, with an odd one the pixel in the middle.
    """
    centres = (np.arange(outputs) + 0.5) * inputs / outputs - 0.5
    return np.maximum(1 - np.abs(np.arange(inputs)[None] - centres[:, None]), 0)


def _separable(matrix, images):
    images = tf.convert_to_tensor(images)
    matrix = tf.constant(matrix, images.dtype)
    return tf.einsum("jw,niwc->nijc", matrix, tf.einsum("ih,nhwc->niwc", matrix, images))
