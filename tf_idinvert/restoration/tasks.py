"""Tasks of restoration by inversion, initial codes of the search, and scores of restored pictures.

Source of the tasks: Gu et al. 2020 (Image Processing Using Multi-Code GAN Prior), section 3.3.
"""
from __future__ import annotations

import numpy as np
import tensorflow as tf

from tf_idinvert.codes import random_codes
from tf_idinvert.errors import InputError
from tf_idinvert.restoration.degradations import (
    MISSING, Blur, Downsampling, Identity, Luminance, Mask, bicubic_matrix, bilinear_matrix)
from tf_idinvert.restoration.multi_code import spread_codes

SPREAD = 0.5        # `spread` of the initial codes: halfway to other samples of the domain
SSIM_WINDOW = 11    # pixels


def degradation(task, resolution, *, factor=4, known=None, sigma=0.7, published=False):
    """Return the degradation of a task.

    Args:
        task: 'inversion', 'colorize', 'super-resolve', 'inpaint' or 'denoise'.
        resolution: R, side of the network's images in pixels.
        factor: factor of super-resolution.
        known: [R, R], 1 for known pixels of inpainting, 0 for missing ones.
        sigma: standard deviation in pixels of the blur for denoising.
        published: whether to downsample as the published code does, bilinear without antialiasing, and to paint missing
            pixels grey instead of black; see `published`.
    Raises:
        InputError: an argument does not fit.
    """
    weights, missing = (bilinear_matrix, 0.0) if published else (bicubic_matrix, MISSING)
    makers = {"inversion": Identity, "colorize": Luminance,
              "super-resolve": lambda: Downsampling(resolution, factor, weights),
              "inpaint": lambda: Mask(known, missing), "denoise": lambda: Blur(resolution, sigma)}
    return makers[task]()


def box_known(resolution, box=None):
    """Return [R, R], 0 inside a box (left, top, width, height) in pixels, 1 outside.

    The default box is in the middle and a third of the side wide and high.

    Raises:
        InputError: the box is not inside the picture.
    """
    side = resolution // 3
    left, top, width, height = box or ((resolution - side) // 2, (resolution - side) // 2, side, side)
    if min(left, top) < 0 or min(width, height) < 1 or left + width > resolution or top + height > resolution:
        raise InputError(f"box: expected left, top, width, height inside {resolution}x{resolution}; "
                         f"got {left},{top},{width},{height}")
    known = np.ones([resolution, resolution], "float32")
    known[top:top + height, left:left + width] = 0
    return known


def start_codes(generator, encoder, pictures, count, seed):
    """Return the initial codes: the encoder's code, or w_avg without an encoder, and `count` - 1 codes around it.

    Args:
        generator: Generator.
        encoder: Encoder or None.
        pictures: float32 [B, R, R, 3], restorations without a network (`plain` of the degradation).
        count: N.
        seed: seed of the other codes, which are the same for all pictures; a larger N only adds codes.
    Returns:
        float32 [B, N, L, D].
    """
    average = np.asarray(generator.dlatent_avg)
    shape = [len(pictures), generator.num_layers, generator.dlatent_size]
    base = np.broadcast_to(average, shape) if encoder is None else np.asarray(encoder(tf.constant(pictures)))
    samples = random_codes(generator, seed, 0, count - 1) if count > 1 else np.empty([0, *shape[1:]], "float32")
    return spread_codes(base, samples, average, SPREAD)


def scores(pictures, references):
    """Compare pictures with their references: {'mse', 'psnr' (dB), 'ssim': float64 [B]}.

    Args:
        pictures, references: [B, R, R, 3]; they are clipped to [-1, 1], the scale of the MSE. SSIM has a window of 11
            pixels (Wang et al. 2004), or of the side of smaller pictures.
    """
    a, b = (tf.clip_by_value(tf.convert_to_tensor(images, tf.float32), -1.0, 1.0) for images in (pictures, references))
    mse = tf.reduce_mean(tf.square(a - b), axis=(1, 2, 3))
    ssim = tf.image.ssim(a, b, max_val=2.0, filter_size=min(SSIM_WINDOW, a.shape[1]))
    found = {"mse": mse, "psnr": tf.image.psnr(a, b, max_val=2.0), "ssim": ssim}
    return {name: values.numpy().astype("float64") for name, values in found.items()}
