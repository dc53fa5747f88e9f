"""Rendered portraits in flat vector graphics; every visible trait is a known number.

They replace a collection of photographs: unlimited in number, of no real person, with exact labels. The five main
attributes are those that the papers edit. They are drawn independently, so that the effect of an edit on one attribute
can be separated from changes of the others.

Method: lengths are in head units, 60 per side of the picture, with the origin in the centre and y down. Points of the
face lie on an ellipsoid that turns with the pose. Polygons are drawn on a Pillow canvas of four times the resolution,
with corners rounded to whole pixels, and the canvas is averaged. The result has the same bytes on all platforms from
Pillow 11.2 on; older versions fill a few thin shapes differently, which affects a few pixels in ten thousand. Negating
both `pose` and `side` gives the mirror image, except for the rounding.
"""

from __future__ import annotations

import math
import numbers

import numpy as np

from tf_idinvert.errors import InputError
from tf_idinvert.portraits.canvas import (
    UNITS,
    Canvas,
    curve,
    mix,
    oval,
    palette,
    ramp,
    scaled,
    symmetric,
    tint,
)

ATTRIBUTES = ("age", "gender", "eyeglasses", "pose", "expression")
NUISANCES = ("skin", "hair", "background", "length", "fringe", "bun", "beard", "side")
SIGNED = ("pose", "expression", "side")  # in [-1, 1]; the others in [0, 1]
RESOLUTIONS = (16, 32, 64, 128, 256)

SKINS = ((255, 226, 203), (244, 201, 163), (219, 164, 120), (170, 112, 76), (118, 74, 52))
HAIRS = ((44, 36, 42), (94, 58, 42), (178, 88, 44), (228, 166, 82), (246, 216, 150))
IRISES = ((70, 44, 32), (88, 58, 36), (104, 92, 48), (62, 120, 92), (70, 124, 176))
BACKGROUNDS = ((126, 212, 206), (132, 190, 240), (184, 170, 240), (250, 172, 188), (255, 208, 146), (172, 218, 146))
CLOTHES = ((236, 98, 84), (244, 178, 60), (60, 140, 112), (62, 88, 156), (34, 142, 152), (160, 74, 126))
GREY, WHITE, INK, FRAME, TINT = (216, 216, 220), (255, 255, 255), (52, 34, 38), (34, 32, 44), (216, 236, 250)
LIP, MOUTH, BLUSH = (206, 72, 80), (100, 32, 42), (238, 110, 100)



def sample(count, seed, resolution=64):
    """Render `count` portraits. Portrait i depends on `seed` and i alone, not on `count`.

    Args:
        count: number of portraits N, >= 0.
        seed: whole number >= 0.
        resolution: side R in pixels, a power of two from 16 to 256.
    Returns:
        (images, attributes): uint8 [N, R, R, 3], RGB; dict name -> float32 [N] with all arguments of `render` except
        `resolution`, so that `render(**{name: values[i] for name, values in attributes.items()})` is image i.
    Raises:
        InputError: an argument is out of range.
    """
    for name, value in (("count", count), ("seed", seed)):
        _check(name, value, isinstance(value, numbers.Integral) and value >= 0, "a whole number >= 0")
    _check_resolution(resolution)
    names = ATTRIBUTES + NUISANCES
    rows = np.empty((count, len(names)), np.float32)
    images = np.empty((count, resolution, resolution, 3), np.uint8)
    for index in range(count):
        rows[index] = _attributes_of(_draw(seed, index))
        images[index] = render(*rows[index], resolution=resolution)
    return images, {name: rows[:, column].copy() for column, name in enumerate(names)}


def draws(count, seed):
    """Return the independent uniform numbers from which `sample(count, seed)` computes the attributes.

    Returns:
        float64 [N, 13] in [0, 1), in the order ATTRIBUTES + NUISANCES; most of them are the attribute itself, rescaled.
    """
    rows = [_draw(seed, index) for index in range(count)]
    return np.array(rows).reshape(count, len(ATTRIBUTES + NUISANCES))


def render(age, gender, eyeglasses, pose, expression, skin, hair, background,
           length=0.3, fringe=0.6, bun=0.0, beard=0.0, side=0.5, resolution=64):
    """Render one portrait; the picture depends on these numbers alone.

    Args:
        age: [0, 1], young to old: grey hair, wrinkles, receding hair (if gender is high), smaller eyes and lips.
        gender: [0, 1], feminine to masculine: jaw, neck, shoulders, brows, lashes, lips.
        eyeglasses: 0 or 1.
        pose: [-1, 1], yaw: -1 turned to the picture's left, 1 to its right, by about 27 degrees.
        expression: [-1, 1], frown, neutral at 0, open laugh.
        skin: [0, 1], tone, light to deep.
        hair: [0, 1], colour of the hair: black, brown, red, blond; it also determines the eyes' colour.
        background: [0, 1], hue of the background; it also determines the hue of the clothes.
        length: [0, 1], length of the hair: cropped to below the shoulders.
        fringe: [0, 1], forehead free to covered; if age and gender are high, a low value means receding hair.
        bun: [0, 1], size of a bun on top of the head.
        beard: [0, 1], none to full.
        side: [-1, 1], side of the light and of the hair's parting, picture's left to right.
        resolution: side R in pixels, a power of two from 16 to 256.
    Returns:
        uint8 [R, R, 3], RGB.
    Raises:
        InputError: an argument out of range.
    """
    _check_resolution(resolution)
    sitter = _Sitter(age, gender, eyeglasses, pose, expression,
                     skin, hair, background, length, fringe, bun, beard, side)
    canvas = Canvas(_backdrop(sitter), resolution)
    for part in (_back_hair, _body, _ears, _face, _wrinkles, _beard, _nose, _mouth, _eyes, _brows,
                 _front_hair, _glasses):
        part(canvas, sitter)
    return _lit(canvas.picture(), sitter)


def _draw(seed, index):
    """Return the uniform numbers of one portrait. NumPy keeps the stream of `random` from version to version."""
    return np.random.default_rng([seed, index]).random(len(ATTRIBUTES + NUISANCES))


def _attributes_of(draw):
    """Return the values of all attributes."""
    names = ATTRIBUTES + NUISANCES
    row = dict(zip(names, draw.tolist()))
    row.update({name: 2.0 * row[name] - 1.0 for name in SIGNED})
    row["eyeglasses"] = float(row["eyeglasses"] < 0.4)
    masculine = row["gender"] = ramp(row["gender"])  # both ends more frequent than the middle
    row["hair"] *= 1.0 - 0.75 * ramp(row["skin"], 0.35, 0.9)  # deep skin goes with dark hair
    row["beard"] = 1.0 - row["beard"] if masculine > 0.6 and row["beard"] < 0.5 else 0.0
    row["bun"] = 1.0 - 2.0 * row["bun"] if masculine < 0.5 and row["bun"] < 0.25 else 0.0
    shorter = ramp(masculine, 0.3, 0.7)
    row["length"] *= 0.1 if row["bun"] else mix(0.65, 0.3, shorter)
    row["length"] += 0.0 if row["bun"] else mix(0.35, 0.0, shorter)
    return [row[name] for name in names]


def _check(name, value, holds, expected):
    if not holds:
        raise InputError(f"{name}: got {' '.join(repr(value).split())}, expected {expected}")


def _check_resolution(value):
    holds = isinstance(value, numbers.Integral) and value in RESOLUTIONS
    _check("resolution", value, holds, f"a power of two from {RESOLUTIONS[0]} to {RESOLUTIONS[-1]}")


class _Sitter:
    """The checked attributes of a portrait, and quantities that several parts of the drawing derive from them."""

    def __init__(self, *values):
        for name, value in zip(ATTRIBUTES + NUISANCES, values):
            low = -1 if name in SIGNED else 0
            holds = isinstance(value, numbers.Real) and low <= value <= 1
            _check(name, value, holds, f"a number from {low} to 1")
            setattr(self, name, float(value))
        _check("eyeglasses", self.eyeglasses, self.eyeglasses in (0.0, 1.0), "0 or 1")
        self.sine, self.cosine = math.sin(0.48 * self.pose), math.cos(0.48 * self.pose)
        self.feminine, self.old = 1.0 - self.gender, ramp(self.age, 0.2, 1.0)
        self.smile, self.frown = max(self.expression, 0.0), max(-self.expression, 0.0)
        self.recession = ramp(self.age, 0.35, 0.95) * ramp(self.gender, 0.4, 0.9) * ramp(0.9 - self.fringe, 0.1, 0.8)
        self.skin_colour = palette(SKINS, self.skin)
        self.skin_shadow = scaled(self.skin_colour, 0.86, 0.74, 0.70)
        self.skin_line = scaled(self.skin_colour, 0.68, 0.50, 0.47)
        hair = palette(HAIRS, self.hair)
        hair = mix(hair, (sum(hair) / 3.0,) * 3, ramp(self.age, 0.4, 0.65))  # loses its colour first, then whitens
        self.hair_colour = mix(hair, GREY, ramp(self.age, 0.4, 0.95))
        self.hair_shadow = scaled(self.hair_colour, 0.72)

    def on_face(self, points):
        """Return the positions [P, 2], after the turn, of points on the face, (x, y) or (x, y, height above skin)."""
        x, y, height = np.array([(*point, 0.0)[:3] for point in points], np.float64).T
        depth = 14.0 * np.sqrt(np.maximum(0.02, 1.0 - (x / 17.5) ** 2 - (y / 27.0) ** 2)) + height
        return np.array((x * self.cosine + depth * self.sine, y)).T

    def on_outline(self, points):
        """Return the positions of points on the head's outline after the turn; the jaw moves, the crown stays."""
        return [(x + self.sine * 5.0 * ramp(y, -14.0, 18.0), y) for x, y in points]

    def lens(self, sign):
        """Return the outline of the left (-1) or right (1) lens, a rounded square in front of the eye."""
        corners = ((4.9, 0), (4.4, 3.6), (0, 4.5), (-4.4, 3.6), (-4.9, 0), (-4.5, -3.4), (0, -4.0), (4.5, -3.4))
        return self.on_face([(sign * 6.7 + x, y - 0.2, 1.5) for x, y in corners])


def _backdrop(sitter):
    colour = palette(BACKGROUNDS, sitter.background)
    height = (np.arange(UNITS) / (UNITS - 1))[:, None, None]
    top, bottom = np.array(mix(colour, WHITE, 0.25)), np.array(scaled(colour, 0.9))
    picture = np.repeat(mix(top, bottom, height), UNITS, axis=1)
    tint(picture, WHITE, 0.35, 0, -6, 38, 34)
    return picture


def _back_hair(canvas, sitter):
    """Draw the hair behind head and shoulders, and the bun."""
    back, volume, size = -2.0 * sitter.sine, 1.0 - sitter.recession, sitter.bun
    if size:
        canvas.fill(oval(3 * back, -22.5 - size, 7 * size, 5.8 * size), sitter.hair_colour)
        band = symmetric([(0, -22), (4.5 * size, -23)])
        canvas.stroke([(x + 3 * back, y) for x, y in band], 2.5 * size, sitter.hair_shadow)
    end, wide = mix(3.0, 31.0, sitter.length), mix(15.2, 19.5, ramp(sitter.length, 0.1, 0.7))
    half = [(0, -20 - 4 * volume), (9.5, -17.5 - 3 * volume), (14.7 + volume, -9), (wide, 0.4 * end),
            (0.97 * wide, 0.8 * end), (0.7 * wide, end + 1), (0, end)]
    canvas.fill([(x + back, y) for x, y in symmetric(half)], sitter.hair_shadow)


def _body(canvas, sitter):
    """Draw the neck, the chin's shadow on it, and the clothes."""
    colour = palette(CLOTHES, sitter.background)
    neck, wide = mix(6.0, 8.4, sitter.gender), mix(20.0, 26.0, sitter.gender)

    def shifted(half):
        return [(x - 1.5 * sitter.sine, y) for x, y in symmetric(half)]

    canvas.polygon(shifted([(0, 10), (neck, 10), (neck + 1, 33), (0, 33)]), sitter.skin_colour)
    canvas.polygon(shifted([(0, 10), (neck, 10), (neck + 0.5, 21), (0.5 * neck, 23.2), (0, 24)]), sitter.skin_shadow)
    garment = [(0, 28), (neck - 1, 24.5), (neck + 1.5, 23), (0.72 * wide, 25.8), (wide, 28.5), (wide + 4, 36), (0, 40)]
    canvas.fill(shifted(garment), colour)
    canvas.stroke(shifted([(0, 28), (neck - 1.5, 25.6), (neck + 0.5, 23.4)]), 1.4, scaled(colour, 0.78), taper=1.0)


def _ears(canvas, sitter):
    tucked = 3.0 * ramp(sitter.length, 0.1, 0.4)  # under long hair
    for sign in (-1, 1):
        x = sign * (15.0 - tucked) - 4.5 * sitter.sine
        canvas.fill(oval(x, 1, 2.8, 4.2), mix(sitter.skin_colour, sitter.skin_shadow, 0.35))
        canvas.fill(oval(x + 0.2 * sign, 1, 1.4, 2.6), sitter.skin_shadow)


def _face(canvas, sitter):
    """Draw the head, softly lit from `side`, with blushing cheeks."""
    g, old = sitter.gender, sitter.old
    jaw, low = mix(10.4, 12.8, g) + 0.5 * old, mix(18.0, 19.6, g) + old
    half = [(0, -20.5), (7.5, -19.3), (13, -13.5), (15.2, -4), (mix(14.3, 14.8, g), 5), (jaw, 12.5),
            (mix(4.8, 7.6, g), low - 1.8), (0, low)]
    picture = np.tile(np.array(sitter.skin_colour), (UNITS, UNITS, 1))
    for sign in (-1, 1):
        far = 0.5 - 0.5 * sign * sitter.side  # 0 on the lit side, 1 on the other
        tint(picture, sitter.skin_shadow, 0.15 + 0.65 * far, 20 * sign + 3 * sitter.sine, 4, 19, 34)
        cheek = sitter.on_face([(8.8 * sign, 6.5 - sitter.smile)])[0]
        amount = (0.45 + 0.3 * sitter.smile) * (1.0 - 0.6 * old)
        tint(picture, mix(sitter.skin_colour, BLUSH, 0.5), amount, *cheek, 6, 5)
    tint(picture, sitter.skin_shadow, 0.45, 4 * sitter.sine, 24, 16, 8)
    tint(picture, WHITE, 0.18, *sitter.on_face([(4 * sitter.side, -9)])[0], 10, 8)
    canvas.paint(sitter.on_outline(symmetric(half)), picture)


def _wrinkles(canvas, sitter):
    """Draw lines of forehead, cheeks and eyes, which appear and deepen with age."""
    depth = ramp(sitter.age, 0.2, 0.95)
    colour = mix(sitter.skin_shadow, sitter.skin_line, depth)
    lines = [symmetric([(0, y + 0.4), (reach / 2, y), (reach, y + 0.5)])
             for y, reach in ((-10.2, 6.5), (-12.8, 5.5), (-15.2, 4.0))]
    for s in (-1, 1):
        lines.append([(3.4 * s, 4.6), (5.6 * s, 7.2), ((6.6 + sitter.smile) * s, 11.5)])  # nose to mouth
        lines.append([(4.0 * s, 2.6), (6.4 * s, 3.6), (9.0 * s, 2.8)])  # under the eye
        lines += [[(11.2 * s, -0.8), (13.4 * s, y)] for y in (-2.4, 0.0)]  # crow's feet
    for line in lines if depth else ():
        canvas.stroke(sitter.on_face(line), 1.2 * depth, colour, taper=0.35)


def _beard(canvas, sitter):
    """Draw beard and moustache, from stubble to full length."""
    if not sitter.beard:
        return
    colour, grown = mix(sitter.skin_colour, sitter.hair_shadow, ramp(sitter.beard, -0.2, 0.6)), 4.0 * sitter.beard
    outer = [(0, 20.3 + grown), (8, 18.8 + 0.7 * grown), (12.9, 13 + 0.3 * grown), (15, 5), (14.9, -1)]
    inner = [(0, 14.2), (4.5, 13.2), (7.2, 10), (10, 8), (13.2, 3.5)]
    rim, edge = sitter.on_outline(symmetric(outer)), sitter.on_face(symmetric(inner))
    canvas.polygon(np.concatenate((curve(rim, False), curve(edge, False)[::-1])), colour)
    moustache = symmetric([(0, 7.6, 1), (4, 8.4, 0), (6.8, 11, 0)])
    canvas.stroke(sitter.on_face(moustache), 1.2 + 1.4 * sitter.beard, colour, taper=0.5)


def _nose(canvas, sitter):
    wide, lit = mix(2.6, 3.3, sitter.gender) + 0.3 * sitter.old, 0.5 * sitter.side
    shape = symmetric([(0, -4, 1), (1.2, -2, 1.5), (1.5, 2, 3), (wide, 4.6, 2), (0, 6.2, 4.5)])
    canvas.fill(sitter.on_face(shape), mix(sitter.skin_colour, sitter.skin_shadow, 0.55))
    ridge = sitter.on_face([(0.6 * lit, -3, 2), (lit, 1, 4), (lit, 4, 5)])
    canvas.stroke(ridge, 1.5, mix(sitter.skin_colour, WHITE, 0.25))
    nostrils = symmetric([(0, 6.1, 4.5), (1.2, 5.9, 3.5), (wide, 4.9, 2)])
    canvas.stroke(sitter.on_face(nostrils), 1.1, sitter.skin_line)


def _mouth(canvas, sitter):
    """Draw the lips, and the teeth in a broad smile."""
    smile, frown, opening = sitter.smile, sitter.frown, 4.6 * ramp(sitter.expression, 0.15, 1.0)
    corner_x, corner_y = 4.8 + 1.8 * smile, 11.2 - 2.1 * smile + 1.6 * frown
    middle = 11.5 + 0.8 * smile - 1.3 * frown - 0.25 * opening
    full = mix(0.9, 1.5, sitter.feminine) * (1.0 - 0.3 * sitter.old)
    lips = mix(mix(sitter.skin_colour, sitter.skin_line, 0.45), LIP, 0.3 + 0.45 * sitter.feminine)

    def bow(y):
        """Return a line from corner to corner whose middle is `y` below the closed mouth."""
        y = middle + y
        return sitter.on_face(symmetric([(0, y), (corner_x / 2, mix(corner_y, y, 0.75)), (corner_x, corner_y)]))

    shapes = ((-full, opening + 1.2 * full, lips), (0, opening, MOUTH), (0, 0.6 * opening, WHITE))
    for upper, lower, colour in shapes if opening else shapes[:1]:
        canvas.polygon(np.concatenate((curve(bow(upper), False), curve(bow(lower), False)[::-1])), colour)
    canvas.stroke(bow(0), 0.9 - 0.1 * opening, MOUTH, taper=0.5)


def _eyes(canvas, sitter):
    wide, tall = 3.5 - 0.3 * sitter.old, mix(2.9, 1.8, sitter.age) + 0.25 * sitter.feminine
    upper = tall * (1.0 - 0.15 * sitter.smile - 0.15 * sitter.frown)
    lower = 0.8 * tall * (1.0 - 0.55 * sitter.smile)
    slope = (0.5 * sitter.feminine - 0.7 * sitter.old) / wide  # the outer corner rises or droops
    iris = 2.25 - 0.3 * sitter.age
    for sign in (-1, 1):
        x = 6.7 * sign
        if sitter.eyeglasses:
            canvas.fill(sitter.lens(sign), mix(sitter.skin_colour, TINT, 0.4))
        lid = symmetric([(0, -0.6 - upper), (wide / 2, -0.6 - 0.75 * upper), (wide, -0.2)])
        lid = [(x + u, v - slope * max(0.0, sign * u)) for u, v in lid]
        low = [(x + u, v) for u, v in symmetric([(0, lower - 0.6), (wide / 2, 0.75 * lower - 0.6)])]
        canvas.fill(sitter.on_face(lid + low[::-1]), (250, 248, 246))
        for radius, colour in ((iris, palette(IRISES, sitter.hair)), (iris / 2, (24, 18, 22))):
            disc = np.array(oval(x, -0.6, radius, radius))
            disc[:, 1] = np.clip(disc[:, 1], -0.6 - upper, -0.6 + lower)
            canvas.fill(sitter.on_face(disc), colour)
        canvas.fill(sitter.on_face(oval(x + 0.8 * sitter.side, -1.5, 0.6, 0.6)), WHITE)
        canvas.stroke(sitter.on_face(lid), 0.8 + 0.7 * sitter.feminine, INK, taper=0.4)
        (u, v), long = lid[0] if sign < 0 else lid[-1], sitter.feminine
        canvas.stroke(sitter.on_face([(u - 0.8 * sign, v - 0.2), (u + 1.6 * sign * long, v - 1.4 * long)]), long, INK)


def _brows(canvas, sitter):
    smile, frown = sitter.smile, sitter.frown
    colour = mix(sitter.hair_shadow, INK, 0.35 * (1.0 - sitter.old))
    arch = -7.2 - 0.6 * sitter.feminine
    for sign in (-1, 1):
        brow = [(2.9 * sign, -6.3 - 0.9 * smile + 1.1 * frown), (6.6 * sign, arch - 0.9 * smile + 0.2 * frown),
                (10.8 * sign, -5.4 - 0.5 * smile - 0.2 * frown)]
        canvas.stroke(sitter.on_face(brow), mix(1.3, 2.1, sitter.gender), colour, taper=0.45)


def _front_hair(canvas, sitter):
    """Draw the hair above the hairline, its shine, and the locks beside the face."""
    volume, back = 1.0 - sitter.recession, -1.6 * sitter.sine
    base = mix(mix(-15.0, -7.6, sitter.fringe), -21.5, sitter.recession)
    hairline = []
    for x in (14.6, 12.6, 9.0, 4.5, 0.0, -4.5, -9.0, -12.6, -14.6):
        parting = max(0.0, 1.0 - ((x - 7.0 * sitter.side) / 8.0) ** 2) ** 2
        hairline.append((x, base - 3.2 * parting * volume + (x / 14.6) ** 4 * (-2.0 - base)))
    crown = [(0, -20.6 - 4.6 * volume), (10.8, -18 - 3.4 * volume), (15.6 + 0.9 * volume, -9.5), (15.6, -3)]
    crown = [(x + back, y) for x, y in symmetric(crown)]
    canvas.fill(np.concatenate((crown, sitter.on_face(hairline))), sitter.hair_colour)
    sheen = [(x + 3 * sitter.side, y) for x, y in symmetric([(0, -19.4), (4, -18.8), (10, -16.2)])]
    bright = tuple(min(1.3 * value + 8.0, value + 28.0) for value in sitter.hair_colour)
    canvas.stroke(sitter.on_face(sheen), 2.0 * volume, bright, taper=0.1)
    end, thick = mix(-1.0, 27.0, sitter.length), mix(0.8, 4.2, ramp(sitter.length, 0.0, 0.6))
    lock = [(0, -11), (1.2, -5), (0.5 * thick, 0.5 * end), (0.4 * thick, end), (-0.5 * thick, 0.8 * end),
            (-0.45 * thick, 0.3 * end - 2), (-1.5, -6)]
    for sign in (-1, 1):
        canvas.fill([(sign * (15.0 + x) + 1.5 * back, y) for x, y in lock], sitter.hair_colour)


def _glasses(canvas, sitter):
    """Draw thick dark frames slightly above the skin, with temples that reach to the ears."""
    if not sitter.eyeglasses:
        return
    for sign in (-1, 1):
        canvas.stroke(sitter.lens(sign), 1.5, FRAME, taper=1.0, closed=True)
        hinge = sitter.on_face([(11.6 * sign, -1.6, 1.5)])
        canvas.stroke(np.concatenate((hinge, [[15.2 * sign - 2.0 * sitter.sine, -2.0]])), 1.4, FRAME, taper=1.0)
    canvas.stroke(sitter.on_face(symmetric([(0, -1.6, 3), (1.9, -0.8, 2)])), 1.4, FRAME, taper=1.0)


def _lit(picture, sitter):
    """Apply the room's light, brighter towards `side` and the top; return uint8 [R, R, 3]."""
    axis = (np.arange(len(picture)) + 0.5) / len(picture) * 2.0 - 1.0
    glow = 1.0 + 0.09 * sitter.side * axis[None, :, None] - 0.05 * axis[:, None, None]
    return np.floor(np.clip(picture * glow, 0.0, 255.0) + 0.5).astype(np.uint8)
