"""The wild portraits: a second kind of rendered portraits, in which much more varies than the named traits.

They have patterned clothes, ten kinds of scene, light from a side with cast shadows, hair and beards of single strokes,
skin with freckles, scars and make-up, six frames of glasses; rarely hats, scarves, headphones, dyed hair, a hand or a
cup in front of the face. Everything without a name (proportions, single leaves, books, hairs, folds, grain) follows
from the trait `detail`. As with photographs, no short code describes a whole picture, but its attributes are known.

The same numbers give the same bytes on all platforms with the same version of Pillow (see `portraits`). For this, soft
shadows and gradients use whole numbers, or exact NumPy operations with rounding.
"""
from __future__ import annotations

import numbers

import numpy as np

from tf_idinvert.portraits.wild import traits as named
from tf_idinvert.portraits.wild.backdrop import backdrop
from tf_idinvert.portraits.wild.body import body
from tf_idinvert.portraits.wild.canvas import SUPERSAMPLING, WildCanvas
from tf_idinvert.portraits.wild.eyes import brows, eyes
from tf_idinvert.portraits.wild.face import ears, face, mouth, nose
from tf_idinvert.portraits.wild.hair import back_hair, beard, front_hair
from tf_idinvert.portraits.wild.sitter import Sitter
from tf_idinvert.portraits.wild.things import earrings, glasses, hat, headphones, held

ATTRIBUTES, NUISANCES, SIGNED, KINDS = named.ATTRIBUTES, named.NUISANCES, named.SIGNED, named.KINDS
RESOLUTIONS = tuple(SUPERSAMPLING)


def sample(count, seed, resolution=64):
    """Render `count` portraits. Portrait i depends on `seed` and i alone, not on `count`.

    Args:
        count: number of portraits N, >= 0.
        seed: whole number >= 0.
        resolution: side R in pixels, one of RESOLUTIONS.
    Returns:
        (images, attributes): uint8 [N, R, R, 3], RGB; dict name -> float32 [N] for all ATTRIBUTES and NUISANCES, so
        that `render(**{name: values[i] for name, values in attributes.items()})` is image i.
    Raises:
        InputError: an argument is out of range.
    """
    for name, value in (("count", count), ("seed", seed)):
        named.check(name, value, isinstance(value, numbers.Integral) and value >= 0, "a whole number >= 0")
    _check_resolution(resolution)
    attributes = attributes_of(count, seed)
    images = np.empty((count, resolution, resolution, 3), np.uint8)
    for index in range(count):
        images[index] = render(**{name: values[index] for name, values in attributes.items()}, resolution=resolution)
    return images, attributes


def attributes_of(count, seed):
    """Return the attributes of `sample(count, seed)` without rendering: dict name -> float32 [N]."""
    rows = [named.traits_of(named.draw(seed, index)) for index in range(count)]
    table = np.array(rows, np.float32).reshape(count, len(named.NAMES))
    return {name: table[:, column].copy() for column, name in enumerate(named.NAMES)}


def render(resolution=64, **traits):
    """Render one portrait; the picture depends on these numbers alone.

    Args:
        resolution: side R in pixels, one of RESOLUTIONS.
        traits: the five ATTRIBUTES, and any of NUISANCES; KINDS are whole numbers, SIGNED in [-1, 1], others in [0, 1].
            age: young to old. gender: feminine to masculine. eyeglasses: 0 or 1. pose: yaw, to the picture's left or
            right. expression: frown to open laugh. skin, hair, background, cloth: tone or colour. length, fringe, bun,
            curl: of the hair; dye: none or one of four. beard: none to full; cut: full, goatee, moustache, jaw,
            stubble. side: side of the light; light: its hardness. scene: kind of background. garment, pattern: of the
            clothes. frame: of the glasses, the last one dark. freckles, makeup: amount. scar, scarf, headphones: 0 or
            1. hat: none or one of five. earrings: none, studs, hoops, drops. hand: none, at the chin, with a cup. tilt,
            zoom: of the head and of the picture. grain: of the camera. detail: determines everything without a name.
    Returns:
        uint8 [R, R, 3], RGB.
    Raises:
        InputError: a trait is unknown, missing, or out of range.
    """
    _check_resolution(resolution)
    sitter = Sitter(named.checked(traits))
    canvas = WildCanvas(resolution)
    backdrop(canvas, sitter)
    for part in (back_hair, body, ears, earrings):
        part(canvas, sitter)
    sitter.look(canvas)
    mask = face(canvas, sitter)
    for part in (beard, nose, mouth):
        part(canvas, sitter, mask)
    eyes(canvas, sitter)
    brows(canvas, sitter)
    for part in (front_hair, hat, glasses):
        part(canvas, sitter, mask)
    headphones(canvas, sitter)
    held(canvas, sitter)
    return _photographed(canvas.picture(), sitter)


def _check_resolution(value):
    named.check("resolution", value, isinstance(value, numbers.Integral) and value in RESOLUTIONS,
                      f"one of {', '.join(map(str, RESOLUTIONS))}")


def _photographed(picture, sitter):
    """Apply light and its colour, the lens's dark rim, and the camera's grain; return uint8 [R, R, 3]."""
    side = len(picture)
    n = sitter.details("light", 8 + 2 * side * side)
    axis = (np.arange(side) + 0.5) / side * 2.0 - 1.0
    x, y = axis[None, :, None], axis[:, None, None]
    glow = 1.0 + 0.12 * sitter.hard * sitter.side * x - 0.05 * y - 0.10 * n[0] * (x * x + y * y)
    warm = 0.07 * (2.0 * n[1] - 1.0)
    tint = np.array((1.0 + warm, 1.0 + 0.02 * (2.0 * n[2] - 1.0), 1.0 - warm)) * (0.94 + 0.14 * n[3])
    noise = (n[8:].reshape(side, side, 2).sum(axis=2, keepdims=True) - 1.0) * (1.0 + 11.0 * sitter.grain)
    return np.floor(np.clip(picture * glow * tint + noise, 0.0, 255.0) + 0.5).astype(np.uint8)
