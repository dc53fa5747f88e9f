"""Draw smooth flat shapes on a Pillow canvas: colour blends, Catmull-Rom outlines, tapered strokes.

Lengths are in head units: the side of the picture has 60, the origin is in the centre, y points down. Colours are
tuples (red, green, blue), 0 to 255. The curve is the uniform cubic of Catmull and Rom 1974.
"""

from __future__ import annotations

import functools

import numpy as np
from PIL import Image, ImageDraw

UNITS = 60  # head units per side of the picture
SUPERSAMPLING = 4



def mix(first, second, t):
    """Blend two numbers or two colours linearly: `first` at t = 0, `second` at t = 1."""
    if isinstance(first, tuple):
        return tuple(mix(a, b, t) for a, b in zip(first, second))
    return first + (second - first) * t


def scaled(colour, *factors):
    """Multiply the three channels of a colour by one factor or by three."""
    return tuple(value * factor for value, factor in zip(colour, factors * (3 // len(factors))))


def ramp(value, low=0.0, high=1.0):
    """Return a smooth step of `value`: 0 up to `low`, 1 from `high` on."""
    t = min(max((value - low) / (high - low), 0.0), 1.0)
    return t * t * (3.0 - 2.0 * t)


def palette(colours, t):
    """Interpolate a list of colours linearly at t in [0, 1]."""
    place = t * (len(colours) - 1)
    index = min(int(place), len(colours) - 2)
    return mix(colours[index], colours[index + 1], place - index)


def tint(picture, colour, amount, x, y, radius_x, radius_y):
    """Blend a soft spot of `colour`, with `amount` in its centre, into a float64 [60, 60, 3] picture, in place."""
    axis = np.arange(UNITS) - (UNITS - 1) / 2
    distance = ((axis - x) / radius_x)[None, :] ** 2 + ((axis - y) / radius_y)[:, None] ** 2
    picture += (np.array(colour) - picture) * (amount * np.maximum(0.0, 1.0 - distance) ** 2)[:, :, None]


@functools.lru_cache(maxsize=None)
def _catmull_rom(steps):
    """Return the weights [steps, 4] of four consecutive points along the span between the middle two."""
    t = np.arange(steps) / steps
    weights = (t * (t * (2 - t) - 1), t * t * (3 * t - 5) + 2, t * (t * (4 - 3 * t) + 1), t * t * (t - 1))
    return 0.5 * np.array(weights).T


def curve(points, closed=True, steps=8):
    """Return the Catmull-Rom curve through `points` [P, 2], float64 [Q, 2]."""
    points = np.asarray(points, np.float64)
    line = np.concatenate((points[-1:], points, points[:2]) if closed else (points[:1], points, points[-1:]))
    corners = np.array((line[:-3], line[1:-2], line[2:-1], line[3:]))
    path = (_catmull_rom(steps) @ corners.reshape(4, -1)).reshape(steps, -1, 2).transpose(1, 0, 2).reshape(-1, 2)
    return path if closed else np.concatenate((path, points[-1:]))


def oval(x, y, radius_x, radius_y):
    """Return eight points of an oval."""
    d = 0.70711
    circle = ((1, 0), (d, d), (0, 1), (-d, d), (-1, 0), (-d, -d), (0, -1), (d, -d))
    return [(x + radius_x * a, y + radius_y * b) for a, b in circle]


def symmetric(half):
    """Mirror the points right of the axis to the left; return all, from left to right. A half that ends on the axis
    gives a closed outline.
    """
    points = [(-x, *rest) for x, *rest in half[:0:-1]] + list(half)
    return points[1:] if half[-1][0] == 0 else points


class Canvas:
    """A Pillow canvas with four times the resolution; methods take head units."""

    def __init__(self, backdrop, resolution):
        self.side = SUPERSAMPLING * resolution
        self.image = self._enlarged(backdrop)
        self.draw = ImageDraw.Draw(self.image)

    def polygon(self, corners, colour):
        """Fill a polygon, corners [P, 2], with one colour."""
        self.draw.polygon(self._pixels(corners), fill=tuple(min(max(int(value + 0.5), 0), 255) for value in colour))

    def fill(self, points, colour):
        """Fill the smooth outline through `points` [P, 2] with one colour."""
        self.polygon(curve(points), colour)

    def paint(self, points, picture):
        """Fill the smooth outline through `points` with a smooth picture, float64 [60, 60, 3]."""
        mask = Image.new("L", (self.side, self.side))
        ImageDraw.Draw(mask).polygon(self._pixels(curve(points)), fill=255)
        self.image.paste(self._enlarged(picture), mask=mask)

    def stroke(self, points, width, colour, taper=0.25, closed=False):
        """Draw a smooth line through `points`; its ends are `taper` times as thick as its middle."""
        line = curve(points, closed)
        around = np.concatenate((line[-1:], line, line[:1]) if closed else (line[:1], line, line[-1:]))
        along = around[2:] - around[:-2]
        normal = along[:, ::-1] * (-1.0, 1.0) / np.sqrt((along * along).sum(axis=1, keepdims=True) + 1e-9)
        t = np.arange(len(line))[:, None] * (2.0 / (len(line) - 1)) - 1.0
        edge = normal * (0.5 * width * (1.0 - (1.0 - taper) * t * t))
        ring = [0] if closed else []  # close the outer edge before the inner edge
        rims = [np.concatenate((rim, rim[ring])) for rim in (line + edge, line - edge)]
        self.polygon(np.concatenate((rims[0], rims[1][::-1])), colour)

    def picture(self):
        """Return the canvas at its final resolution, uint8 [R, R, 3]."""
        return np.asarray(self.image.reduce(SUPERSAMPLING))

    def _pixels(self, points):
        # Round to six decimals first, so that the last bit of a sum cannot move a corner to the next pixel.
        places = np.round((np.asarray(points) / UNITS + 0.5) * self.side - 0.5, 6)
        return np.floor(places + 0.5).astype(int).ravel().tolist()

    def _enlarged(self, picture):
        picture = np.floor(np.clip(picture, 0.0, 255.0) + 0.5).astype(np.uint8)
        return Image.fromarray(picture).resize((self.side, self.side), Image.BILINEAR)
