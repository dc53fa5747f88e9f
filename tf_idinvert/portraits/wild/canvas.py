"""Canvas of the wild portraits: shapes in a turned frame, soft shadows, textures, many fine strokes."""
from __future__ import annotations

import functools
import math

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from tf_idinvert.portraits.canvas import UNITS, Canvas, curve

SUPERSAMPLING = {32: 4, 64: 4, 128: 2, 256: 2}      # {resolution: canvas pixels per side of a pixel}
SOFT = 4        # canvas pixels per side of a pixel of soft shadows and gradients
TILE = 1024     # side of the noise textures in pixels


class WildCanvas(Canvas):
    """A Pillow canvas; methods take head units, which `place` scales, turns and shifts."""

    def __init__(self, resolution):
        self.factor = SUPERSAMPLING[resolution]
        self.side = self.factor * resolution
        self.image = Image.new("RGB", (self.side, self.side))
        self.draw = ImageDraw.Draw(self.image)
        self.place()

    def place(self, scale=1.0, turn=0.0, x=0.0, y=0.0, pivot=0.0):
        """Set the frame: scale, turn by `turn` (sine) around (0, pivot), then shift by (x, y) what is drawn later."""
        cosine = math.sqrt(1.0 - turn * turn)
        self.scale, self.matrix = scale, scale * np.array(((cosine, turn), (-turn, cosine)))
        self.offset = np.array((x, y + pivot * scale)) - np.array((0.0, pivot)) @ self.matrix

    def grid(self, count=None):
        """Return the positions x and y of a soft picture's pixels in units of the current frame, two [n, n]."""
        count = count or self.side // SOFT
        axis = ((np.arange(count) + 0.5) / count - 0.5) * UNITS
        (a, b), (c, d) = self.matrix.tolist()
        inverse = np.array(((d, -b), (-c, a))) / (a * d - b * c)
        x, y = axis[None, :] - self.offset[0], axis[:, None] - self.offset[1]
        return x * inverse[0, 0] + y * inverse[1, 0], x * inverse[0, 1] + y * inverse[1, 1]

    def area(self, *outlines, smooth=True, within=None, amount=1.0):
        """Return the Area of filled outlines, optionally within another area; `amount` 1 is opaque."""
        corners = [self._pixels(curve(points) if smooth else points) for points in outlines]
        box = self._box([value for each in corners for value in each])
        mask = Image.new("L", (box[2] - box[0], box[3] - box[1]))
        _fill(mask, corners, box, int(255 * amount))
        return Area(box, mask) if within is None else Area(box, ImageChops.multiply(mask, within.part(box)))

    def lay(self, picture, area):
        """Draw a colour or a picture, float [n, n, 3], within an area."""
        if isinstance(picture, tuple):
            self.image.paste(_whole(picture), area.box, area.mask)
            return
        picture = Image.fromarray(np.floor(np.clip(picture, 0.0, 255.0) + 0.5).astype(np.uint8))
        scale, count = self.side // picture.size[0], picture.size[0]
        left, top, right, bottom = area.box
        # Enlarge one pixel more on all sides, then crop, because versions of Pillow differ in resize(box=...).
        x, y = max(left // scale - 1, 0), max(top // scale - 1, 0)
        part = picture.crop((x, y, min(-(-right // scale) + 1, count), min(-(-bottom // scale) + 1, count)))
        part = part.resize((part.size[0] * scale, part.size[1] * scale), Image.BILINEAR)
        left, top = left - x * scale, top - y * scale
        part = part.crop((left, top, left + area.mask.size[0], top + area.mask.size[1]))
        self.image.paste(part, area.box, area.mask)

    def glaze(self, outline, colour, amount, blur, within=None):
        """Draw a blurred colour over the outline, with `amount` in its middle, optionally only inside `within`."""
        if amount <= 0.004:
            return
        corners = self._pixels(curve(outline), 1.0 / SOFT)
        wide = blur * self.side / SOFT / UNITS
        box = self._box(corners, int(wide) + 2, self.side // SOFT)
        mask = Image.new("L", (box[2] - box[0], box[3] - box[1]))
        _fill(mask, [corners], box, int(255 * min(amount, 1.0)))
        box = tuple(SOFT * value for value in box)
        mask = mask.filter(ImageFilter.BoxBlur(float(wide))).resize((box[2] - box[0], box[3] - box[1]), Image.BILINEAR)
        self.lay(tuple(colour), Area(box, ImageChops.multiply(mask, within.part(box)) if within else mask))

    def grainy(self, area, colour, amount, place, kind="fine"):
        """Add speckles of a colour to the area; `place`, two numbers in [0, 1), selects the speckles."""
        x, y = (int(number * (TILE - self.side)) for number in place)
        speckles = texture(kind).crop((x, y, x + area.mask.size[0], y + area.mask.size[1]))
        speckles = speckles.point([int(value * amount) for value in range(256)])
        self.lay(tuple(colour), Area(area.box, ImageChops.multiply(speckles, area.mask)))

    def lines(self, lines, width, colours, area=None):
        """Draw fine lines [S, P, 2] of one width with one colour per line, optionally only inside an area."""
        image, left, top = (self.image.crop(area.box), *area.box[:2]) if area else (self.image, 0, 0)
        draw = ImageDraw.Draw(image)
        thick = max(1, int(width * self.side / UNITS * self.scale + 0.5))
        corners = (np.reshape(self._pixels(np.reshape(lines, (-1, 2))), (-1, 2)) - (left, top)).ravel().tolist()
        length = 2 * np.shape(lines)[1]
        for index, colour in enumerate(colours):
            draw.line(corners[index * length:(index + 1) * length], fill=colour, width=thick)
        if area:
            self.image.paste(image, area.box, area.mask)

    def blurred(self, units):
        """Blur everything drawn so far, like a distant background in a photograph."""
        small = self.image.reduce(2).filter(ImageFilter.BoxBlur(float(units * self.side / 2 / UNITS)))
        self.image.paste(small.resize((self.side, self.side), Image.BILINEAR))

    def picture(self):
        """Return the canvas at its final resolution, uint8 [R, R, 3]."""
        return np.asarray(self.image.reduce(self.factor))

    def _pixels(self, points, scale=1.0):
        # Round to six decimals first, so that the last bit of a sum cannot move a corner to the next pixel.
        places = (np.asarray(points, np.float64) @ self.matrix + self.offset) / UNITS + 0.5
        return np.floor(np.round(places * (self.side * scale) - 0.5, 6) + 0.5).astype(int).ravel().tolist()

    def _box(self, corners, margin=1, side=None):
        """Return the box around corners [x, y, x, y ...], with `margin`, clipped to the canvas, never empty."""
        side = side or self.side
        left, right = min(corners[::2]) - margin, max(corners[::2]) + margin + 1
        top, bottom = min(corners[1::2]) - margin, max(corners[1::2]) + margin + 1
        left, top = min(max(left, 0), side - 1), min(max(top, 0), side - 1)
        return left, top, max(min(right, side), left + 1), max(min(bottom, side), top + 1)


class Area:
    """A part of the canvas: its box (left, top, right, bottom) in canvas pixels, and its mask, a picture "L"."""

    def __init__(self, box, mask):
        self.box, self.mask = box, mask

    def part(self, box):
        """Return the mask for another box, "L"."""
        left, top = self.box[:2]
        return self.mask.crop((box[0] - left, box[1] - top, box[2] - left, box[3] - top))


def bezier(points, count):
    """Return cubic Bézier curves: control points [S, 4, 2] -> [S, count, 2]."""
    t = np.linspace(0.0, 1.0, count)[None, :, None]
    a, b, c, d = (np.asarray(points)[:, None, i] for i in range(4))
    s = 1.0 - t
    return s * s * s * a + 3.0 * s * s * t * b + 3.0 * s * t * t * c + t * t * t * d


def shades(colour, count, spread, numbers):
    """Return `count` tones around a colour, darker or lighter by up to the share `spread`: list of tuples of int."""
    factors = 1.0 + spread * (2.0 * np.asarray(numbers)[:count, None] - 1.0)
    tones = np.clip(np.asarray(colour) * factors + 14.0 * (factors - 1.0), 0.0, 255.0)
    return [tuple(row) for row in (tones + 0.5).astype(int).tolist()]


@functools.lru_cache(maxsize=None)
def texture(kind):
    """Return a noise texture, "L" of TILE x TILE: 'fine' (single grains), 'soft' (blots), 'weave' (threads)."""
    rng = np.random.default_rng(["fine", "soft", "weave"].index(kind))
    if kind == "weave":
        rows, columns = rng.random((TILE, 1)), rng.random((1, TILE))
        noise = np.floor(200 * rows * columns + 55 * rng.random((TILE, TILE)))
        return Image.fromarray(noise.astype(np.uint8))
    noise = Image.fromarray((rng.random((TILE // 2, TILE // 2)) * 256).astype(np.uint8))
    if kind == "soft":
        noise = noise.reduce(8).resize((TILE // 2, TILE // 2), Image.BICUBIC)
    return noise.resize((TILE, TILE), Image.BILINEAR)


def _fill(mask, outlines, box, value):
    """Fill outlines, lists of canvas pixels, in the mask of a box."""
    draw = ImageDraw.Draw(mask)
    for corners in outlines:
        moved = [place - box[index % 2] for index, place in enumerate(corners)]
        draw.polygon(moved, fill=value)


def _whole(colour):
    return tuple(min(max(int(value + 0.5), 0), 255) for value in colour)
