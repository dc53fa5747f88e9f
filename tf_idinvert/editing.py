"""Edits of codes (interpolation, manipulation along a direction, style mixing) and the stitching of semantic diffusion.

Codes are float32 [N, L, D], with one w for each of L layers. Pictures are [..., R, R, C], of any number type.

Sources: Zhu et al. 2020 (In-Domain GAN Inversion), section 3.4; manipulation, `w + alpha * n` on the chosen layers:
Shen et al. 2020 (InterFaceGAN), section 4.2; style mixing: Karras et al. 2019, section 3.1.
"""
from __future__ import annotations

import re

import numpy as np

from tf_idinvert.errors import InputError

CROP_RESOLUTION, CROP_SIZE, CROP_CENTER_X, CROP_CENTER_Y = 256, 110, 125, 145     # published diffusion of faces
LARGEST_DISTANCE = 1e6      # beyond, no network draws anything


def interpolate(source, target, count):
    """Interpolate linearly between codes.

    Args:
        source, target: [N, L, D].
        count: number of codes, at least 2, evenly spaced; the first is the source, the last the target.
    Returns:
        float32 [N, count, L, D].
    Raises:
        InputError: shapes differ, or count is below 2.
    """
    source, target = _codes("source", source), _codes("target", target)
    if source.shape != target.shape:
        raise InputError(f"interpolate: expected codes of the same shape, got {list(source.shape)} and "
                         f"{list(target.shape)}")
    if count < 2:
        raise InputError(f"interpolate: expected a count of at least 2, got {count}")
    share = np.linspace(0, 1, count, dtype=np.float32)[:, None, None]
    return source[:, None] * (1 - share) + target[:, None] * share


def manipulate(codes, normal, distances, layers=None, centre=None):
    """Move codes along a direction: `w + distance * normal` on the chosen layers; the others stay unchanged.

    With `centre`, a code first loses what it has of the direction, in each layer by itself:
    `w - (w.n / n.n - centre) n`.

    Args:
        codes: [N, L, D].
        normal: [1, L, D], or [1, 1, D] for one direction in all layers.
        distances: [S], signed, in units of the normal's length.
        layers: indices in 0..L-1; None: all.
        centre: [L] or [1], where the middle of W lies along the normal, in units of the normal's length; None: codes
            are moved from where they are. Source: Haerkoenen et al. 2020 (GANSpace), its published code.
    Returns:
        float32 [N, S, L, D].
    Raises:
        InputError: the normal does not fit the codes, or a layer is out of range.
    """
    codes, normal = _codes("codes", codes), _codes("normal", normal)
    length = codes.shape[1]
    if normal.shape[0] != 1 or normal.shape[1] not in (1, length) or normal.shape[2] != codes.shape[2]:
        raise InputError(f"manipulate: a direction of {list(normal.shape)} for codes of {list(codes.shape)}, "
                         f"expected [1, {length}, {codes.shape[2]}]")
    if not (np.abs(distances) <= LARGEST_DISTANCE).all():       # NaN is not, either
        raise InputError(f"manipulate: expected distances from -{LARGEST_DISTANCE:g} to {LARGEST_DISTANCE:g}, got "
                         f"{np.min(distances):g} to {np.max(distances):g}")
    normal = normal * _chosen(layers, length)
    if centre is not None:
        power = np.sum(normal ** 2, axis=-1, keepdims=True)
        along = np.sum(codes * normal, axis=-1, keepdims=True) / np.where(power > 0, power, 1)     # [N, L, 1]
        codes = codes - (along - np.asarray(centre, np.float32)[:, None]) * normal
    return codes[:, None] + np.asarray(distances, np.float32)[:, None, None] * normal


def mix_styles(content, style, layers):
    """Replace the chosen layers of `content` by those of `style`.

    Args:
        content, style: [N, L, D]; if one of them has N = 1, it is combined with every code of the other.
        layers: indices in 0..L-1 that come from `style`.
    Returns:
        float32 [N, L, D].
    Raises:
        InputError: the shapes do not fit, or a layer is out of range.
    """
    content, style = _codes("content", content), _codes("style", style)
    if content.shape[1:] != style.shape[1:] or 1 != len(content) != len(style) != 1:
        raise InputError(f"mix_styles: codes of {list(content.shape)} and {list(style.shape)} do not fit")
    return np.where(_chosen(layers, content.shape[1]) > 0, style, content)


def parse_layers(text, num_layers):
    """Parse a list of layers: '0,1,2-5' -> (0, 1, 2, 3, 4, 5); an empty text -> None, which means all layers.

    Raises:
        InputError: another syntax, or a layer outside 0..num_layers-1.
    """
    chosen = set()
    for part in filter(None, (part.strip() for part in text.split(","))):
        ends = re.fullmatch(r"(\d{1,4})(?:\s*-\s*(\d{1,4}))?", part)
        if not ends or int(ends[2] or ends[1]) < int(ends[1]):
            raise InputError(f"layers {text!r}: expected indices and ranges such as 0,1,2-5")
        chosen.update(range(int(ends[1]), int(ends[2] or ends[1]) + 1))
    return check_layers(sorted(chosen), num_layers) if chosen else None


def check_layers(layers, num_layers):
    """Return the layers as a tuple of int; InputError if one is not in 0..num_layers-1."""
    outside = [layer for layer in layers if not 0 <= layer < num_layers]
    if outside:
        raise InputError(f"layer {outside[0]}: the network has layers 0 to {num_layers - 1}")
    return tuple(int(layer) for layer in layers)


def crop_box(resolution, size=None, center_x=None, center_y=None):
    """Return the square that diffusion copies from the target, as (top, left, side) in pixels.

    Args:
        resolution: R in pixels.
        size, center_x, center_y: in pixels at this resolution; None: the published values (110, 125, 145 at 256 px),
            scaled to R.
    Raises:
        InputError: the square reaches beyond the picture.
    """
    def scaled(value, default):
        return round(default * resolution / CROP_RESOLUTION) if value is None else value

    side = max(1, scaled(size, CROP_SIZE))
    left, top = scaled(center_x, CROP_CENTER_X) - side // 2, scaled(center_y, CROP_CENTER_Y) - side // 2
    if not 0 <= left <= resolution - side or not 0 <= top <= resolution - side:
        raise InputError(f"crop of {side} px around x {left + side // 2}, y {top + side // 2}: reaches beyond the "
                         f"picture of {resolution} px")
    return top, left, side


def stitch(target, context, box):
    """Copy the square `box` (see `crop_box`) of `target` into `context`; both [..., R, R, C], as is the result."""
    top, left, side = box
    if target.shape[-3:] != context.shape[-3:]:
        raise InputError(f"stitch: pictures of {list(target.shape)} and {list(context.shape)} do not fit")
    stitched = np.array(context)
    inside = (Ellipsis, slice(top, top + side), slice(left, left + side), slice(None))
    stitched[inside] = target[inside]
    return stitched


def box_mask(resolution, box):
    """Return the mask of `box`, float32 [1, R, R, 1]: 1 inside the square, 0 outside."""
    shape = [1, resolution, resolution, 1]
    return stitch(np.ones(shape, np.float32), np.zeros(shape, np.float32), box)


def _codes(name, codes):
    codes = np.asarray(codes, np.float32)
    if codes.ndim != 3:
        raise InputError(f"{name}: expected [N, L, D], got shape {list(codes.shape)}")
    if not np.isfinite(codes).all():
        raise InputError(f"{name}: expected finite numbers, got NaN or infinity")
    return codes


def _chosen(layers, num_layers):
    """float32 [L, 1]: 1 for the chosen layers."""
    chosen = np.zeros([num_layers, 1], np.float32)
    chosen[list(range(num_layers) if layers is None else check_layers(layers, num_layers))] = 1
    return chosen
