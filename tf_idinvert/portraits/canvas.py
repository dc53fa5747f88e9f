"""Smooth flat shapes on a Pillow canvas, for the rendered portraits: blends, Catmull-Rom outlines, tapered strokes.

Lengths are in head units, 60 to the side of the picture, origin in the centre, y down. Colours are tuples of three
numbers, red, green, blue, 0 to 255. Curve: Catmull and Rom 1974, the uniform cubic through its points.
"""

from __future__ import annotations

import functools

import numpy as np
from PIL import Image, ImageDraw

UNITS = 60  # head units to the side of the picture
SUPERSAMPLING = 4



def mix(first, second, t):
    """Linear blend of two numbers or two colours."""
    if isinstance(first, tuple):
        return tuple(mix(a, b, t) for a, b in zip(first, second))
    return first + (second - first) * t


def scaled(colour, *factors):
    """The colour with its three channels times one common factor or three."""
    return tuple(value * factor for value, factor in zip(colour, factors * (3 // len(factors))))


def ramp(value, low=0.0, high=1.0):
    """Smooth step from 0 at `low` to 1 at `high`."""
    t = min(max((value - low) / (high - low), 0.0), 1.0)
    return t * t * (3.0 - 2.0 * t)


def palette(colours, t):
    """The colour at t in [0, 1] along a list of colours, linearly between neighbours."""
    place = t * (len(colours) - 1)
    index = min(int(place), len(colours) - 2)
    return mix(colours[index], colours[index + 1], place - index)


def tint(picture, colour, amount, x, y, radius_x, radius_y):
    """Blends a soft spot of `colour`, `amount` in its centre, into a float64 [60, 60, 3] picture, in place."""
    axis = np.arange(UNITS) - (UNITS - 1) / 2
    distance = ((axis - x) / radius_x)[None, :] ** 2 + ((axis - y) / radius_y)[:, None] ** 2
    picture += (np.array(colour) - picture) * (amount * np.maximum(0.0, 1.0 - distance) ** 2)[:, :, None]


@functools.lru_cache(maxsize=None)
def _catmull_rom(steps):
    """Weights [steps, 4] of four neighbouring points along the span between the middle two."""
    t = np.arange(steps) / steps
    weights = (t * (t * (2 - t) - 1), t * t * (3 * t - 5) + 2, t * (t * (4 - 3 * t) + 1), t * t * (t - 1))
    return 0.5 * np.array(weights).T


def curve(points, closed=True, steps=8):
    """Catmull-Rom curve through `points` [P, 2]; float64 [Q, 2]."""
    points = np.asarray(points, np.float64)
    line = np.concatenate((points[-1:], points, points[:2]) if closed else (points[:1], points, points[-1:]))
    corners = np.array((line[:-3], line[1:-2], line[2:-1], line[3:]))
    path = (_catmull_rom(steps) @ corners.reshape(4, -1)).reshape(steps, -1, 2).transpose(1, 0, 2).reshape(-1, 2)
    return path if closed else np.concatenate((path, points[-1:]))


def oval(x, y, radius_x, radius_y):
    """Eight points of an oval."""
    d = 0.70711
    circle = ((1, 0), (d, d), (0, 1), (-d, d), (-1, 0), (-d, -d), (0, -1), (d, -d))
    return [(x + radius_x * a, y + radius_y * b) for a, b in circle]


def symmetric(half):
    """All points, from left to right, given those from the axis to the right; a half that returns to it closes."""
    points = [(-x, *rest) for x, *rest in half[:0:-1]] + list(half)
    return points[1:] if half[-1][0] == 0 else points


class Canvas:
    """Pillow canvas at four times the resolution, drawn on in head units."""

    def __init__(self, backdrop, resolution):
        self.side = SUPERSAMPLING * resolution
        self.image = self._enlarged(backdrop)
        self.draw = ImageDraw.Draw(self.image)

    def polygon(self, corners, colour):
        """Fills a polygon, corners [P, 2], with one colour."""
        self.draw.polygon(self._pixels(corners), fill=tuple(min(max(int(value + 0.5), 0), 255) for value in colour))

    def fill(self, points, colour):
        """Fills the smooth outline through `points` [P, 2] with one colour."""
        self.polygon(curve(points), colour)

    def paint(self, points, picture):
        """Fills the smooth outline through `points` with a soft picture, float64 [60, 60, 3]."""
        mask = Image.new("L", (self.side, self.side))
        ImageDraw.Draw(mask).polygon(self._pixels(curve(points)), fill=255)
        self.image.paste(self._enlarged(picture), mask=mask)

    def stroke(self, points, width, colour, taper=0.25, closed=False):
        """Draws a smooth line through `points`; its ends are `taper` times as thick as its middle."""
        line = curve(points, closed)
        around = np.concatenate((line[-1:], line, line[:1]) if closed else (line[:1], line, line[-1:]))
        along = around[2:] - around[:-2]
        normal = along[:, ::-1] * (-1.0, 1.0) / np.sqrt((along * along).sum(axis=1, keepdims=True) + 1e-9)
        t = np.arange(len(line))[:, None] * (2.0 / (len(line) - 1)) - 1.0
        edge = normal * (0.5 * width * (1.0 - (1.0 - taper) * t * t))
        ring = [0] if closed else []  # a closed line returns to where it began before its inner edge is followed
        rims = [np.concatenate((rim, rim[ring])) for rim in (line + edge, line - edge)]
        self.polygon(np.concatenate((rims[0], rims[1][::-1])), colour)

    def picture(self):
        """The canvas reduced to its resolution; uint8 [R, R, 3]."""
        return np.asarray(self.image.reduce(SUPERSAMPLING))

    def _pixels(self, points):
        # Rounded to six decimals first, so that the last bit of a sum cannot tip a corner over to the next pixel.
        places = np.round((np.asarray(points) / UNITS + 0.5) * self.side - 0.5, 6)
        return np.floor(places + 0.5).astype(int).ravel().tolist()

    def _enlarged(self, picture):
        picture = np.floor(np.clip(picture, 0.0, 255.0) + 0.5).astype(np.uint8)
        return Image.fromarray(picture).resize((self.side, self.side), Image.BILINEAR)
