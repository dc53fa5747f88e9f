"""From a photograph to the crop of a quad, and from a crop to where it lies in the photograph.

Both are done by Pillow's affine transform, and only on the part of the photograph that the quad touches.
"""
from __future__ import annotations

import math

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from tf_idinvert.alignment import quad as quads

BORDER, PAD, BLUR = 0.1, 0.3, 0.02      # of FFHQ, in sides of the quad


def crop(pixels, quad, resolution):
    """The square of a photograph as a network sees it, by FFHQ's recipe.

    Beyond the photograph's edge it goes on mirrored, more and more blurred, towards its median colour. The square is
    sampled at four points a pixel and side, or fewer where it has no more, and reduced by Lanczos' filter.

    Args:
        pixels: uint8 [H, W, 3], RGB, upright.
        quad: [4, 2], see `quad`.
        resolution: side R of the crop.
    Returns:
        uint8 [R, R, 3].
    Raises:
        InputError: see `quad.check`.
    Source: Karras et al. 2019 (StyleGAN), the preparation of FFHQ.
    """
    quads.check(quad, pixels.shape[1::-1])
    quad, shrink = np.asarray(quad, np.float64), int(quads.side(quad) / resolution / 2)
    border = max(round(quads.side(quad) * BORDER), 3)
    left, top, right, bottom = _box(quad, border)
    height, width = pixels.shape[:2]
    x, y = (min(max(each, 0), end - 1) for each, end in ((left, width), (top, height)))
    part = Image.fromarray(np.ascontiguousarray(pixels[y:max(bottom, y + 1), x:max(right, x + 1)]))
    quad = quad - (x, y)
    if shrink > 1:
        part, quad = part.reduce(shrink), quad / shrink
    part, quad = _padded(np.asarray(part), quad)
    samples = resolution * min(max(math.ceil(quads.side(quad) / resolution), 1), 4)
    whole = quads.matrix(quad)
    data = np.concatenate([whole[:, :2] / samples, whole[:, 2:]], axis=1).ravel()
    square = Image.fromarray(part).transform((samples, samples), Image.Transform.AFFINE, tuple(data),
                                             Image.Resampling.BICUBIC)
    return np.array(square.resize((resolution, resolution), Image.Resampling.LANCZOS))


def _box(quad, border=0):
    """The pixels around a quad: left, top, right, bottom."""
    return (*(math.floor(each) - border for each in quad.min(axis=0)),
            *(math.ceil(each) + border for each in quad.max(axis=0)))


def _padded(part, quad):
    """A picture that goes on beyond its edges where the quad does, and the quad in it."""
    length, (height, width) = quads.side(quad), part.shape[:2]
    left, top, right, bottom = _box(quad, max(round(length * BORDER), 3))
    over = np.array([max(-left, 0), max(-top, 0), max(right - width, 0), max(bottom - height, 0)])
    if not over.any() or not (_box(quad, 1)[0] < 0 or _box(quad, 1)[1] < 0 or _box(quad, 1)[2] > width
                              or _box(quad, 1)[3] > height):
        return part, quad
    over = np.maximum(over, round(length * PAD))
    picture = np.pad(part.astype(np.float32), [(over[1], over[3]), (over[0], over[2]), (0, 0)], "reflect")
    far = _beyond(picture.shape[1], over[0], over[2])[None, :], _beyond(picture.shape[0], over[1], over[3])[:, None]
    far = np.maximum(*far)[:, :, None]
    sigma = length * BLUR
    picture += (gaussian_filter(picture, [sigma, sigma, 0]) - picture) * np.clip(3 * far + 1, 0, 1)
    picture += (np.median(part.reshape(-1, 3), axis=0) - picture) * np.clip(far, 0, 1)
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8), quad + over[:2]


def _beyond(length, before, after):
    """How far each pixel of a padded side lies outside: 1 at the rim, 0 at the picture's edge, negative within."""
    at = np.arange(length, dtype=np.float32)
    return np.maximum(1 - at / max(before, 1e-6), 1 - (length - 1 - at) / max(after, 1e-6))


def box_in(quad, size):
    """The pixels of a photograph of `size` (width, height) that a quad may touch: left, top, right, bottom."""
    left, top, right, bottom = _box(np.asarray(quad, np.float64))
    return max(left, 0), max(top, 0), min(right, size[0]), min(bottom, size[1])


def place(values, quad, box):
    """Values of a crop where they lie in the photograph.

    Args:
        values: float32 [R, R, C].
        quad: [4, 2].
        box: left, top, right, bottom: the pixels that are wanted.
    Returns:
        float32 [bottom - top, right - left, C], 0 outside the quad.
    """
    quad, (left, top, right, bottom) = np.asarray(quad, np.float64) - box[:2], box
    layers = [Image.fromarray(np.ascontiguousarray(values[:, :, c], np.float32)) for c in range(values.shape[2])]
    small = math.ceil(quads.side(quad))
    if small < len(values):             # the photograph has fewer pixels than the crop
        layers = [layer.resize((small, small), Image.Resampling.LANCZOS) for layer in layers]
    whole, side = quads.matrix(quad), layers[0].width
    back = np.linalg.inv(whole[:, :2]) * side
    data = tuple(np.concatenate([back, -back @ whole[:, 2:]], axis=1).ravel())
    return np.stack([np.asarray(layer.transform((right - left, bottom - top), Image.Transform.AFFINE, data,
                                                Image.Resampling.BICUBIC)) for layer in layers], axis=2)
