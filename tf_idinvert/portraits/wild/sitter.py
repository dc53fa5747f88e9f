"""Quantities that several parts of the drawing derive from the traits of a wild portrait."""
from __future__ import annotations

import math

import numpy as np

from tf_idinvert.portraits.canvas import mix, palette, ramp, scaled

SKINS = ((255, 225, 200), (243, 199, 162), (221, 166, 124), (172, 114, 78), (118, 75, 52), (84, 54, 42))
HAIRS = ((38, 32, 36), (70, 45, 36), (112, 70, 46), (156, 82, 46), (190, 146, 90), (236, 204, 142))
DYES = ((232, 96, 150), (72, 130, 214), (82, 176, 130), (140, 92, 190))
IRISES = ((58, 38, 30), (88, 58, 36), (112, 96, 52), (74, 124, 92), (82, 134, 182), (130, 146, 158))
CLOTHES = ((214, 84, 76), (236, 168, 66), (92, 150, 96), (58, 86, 150), (44, 140, 152), (150, 76, 130), (70, 70, 84),
           (226, 220, 208), (120, 92, 74), (36, 38, 48))
GREY = (214, 214, 218)
SHADE = (44, 18, 24)    # colour of shadows; not black, so that what they fall on stays visible
# Parts of the drawing. Every part has its own random numbers, so that it does not depend on changes of other parts.
PARTS = ("sitter", "backdrop", "body", "face", "eyes", "hair", "beard", "things", "light")


class Sitter:
    """The traits as attributes, colours, proportions of the face, and positions on the turned head.

    The head is an ellipsoid that turns with `pose`. Lengths are in head units, 60 per side of the picture, with the
    origin between the eyes' lower lids and y down. Proportions vary with `detail`.
    """

    def __init__(self, traits):
        for name, value in traits.items():
            setattr(self, name, value)
        self.sine, self.cosine = math.sin(0.48 * self.pose), math.cos(0.48 * self.pose)
        self.feminine, self.old = 1.0 - self.gender, ramp(self.age, 0.2, 1.0)
        self.smile, self.frown = max(self.expression, 0.0), max(-self.expression, 0.0)
        self.recession = ramp(self.age, 0.35, 0.95) * ramp(self.gender, 0.4, 0.9) * ramp(0.9 - self.fringe, 0.1, 0.8)
        self.hard = 0.25 + 0.75 * self.light
        length = math.sqrt(0.49 * self.side * self.side + 0.2 + 0.45)
        self.lamp = (0.7 * self.side / length, -math.sqrt(0.2) / length, math.sqrt(0.45) / length)
        self._colours()
        self._proportions()

    def details(self, part, count):
        """Return `count` uniform numbers of this sitter for a part of the drawing."""
        return np.random.default_rng([int(self.detail), PARTS.index(part)]).random(count)

    def _colours(self):
        numbers = self.details("sitter", 40)
        warm = 1.0 + 0.05 * (2.0 * numbers[0] - 1.0)
        self.skin_colour = scaled(palette(SKINS, self.skin), 1.0, 1.0 / warm, 1.0 / (warm * warm))
        self.skin_shadow = scaled(self.skin_colour, 0.70, 0.56, 0.52)
        self.skin_line = scaled(self.skin_colour, 0.60, 0.42, 0.39)
        self.skin_light = mix(self.skin_colour, (255, 246, 232), 0.45)
        hair = DYES[int(self.dye) - 1] if self.dye else palette(HAIRS, self.hair)
        hair = mix(hair, (sum(hair) / 3.0,) * 3, ramp(self.age, 0.5, 0.75))  # loses its colour first, then whitens
        self.hair_colour = mix(hair, GREY, ramp(self.age, 0.5, 0.95))
        self.hair_shadow, self.hair_light = scaled(self.hair_colour, 0.58), mix(self.hair_colour, (255, 240, 220), 0.3)
        natural = palette(HAIRS, self.hair)
        self.beard_colour = mix(scaled(natural, 0.85), GREY, ramp(self.age, 0.45, 0.95))
        self.iris_colour = palette(IRISES, min(1.0, max(0.0, self.hair + 0.9 * (numbers[1] - 0.5))))

    def _proportions(self):
        n = (2.0 * self.details("sitter", 40) - 1.0).tolist()
        g = self.gender
        self.wide, self.long = 1.0 + 0.06 * n[2], 1.0 + 0.05 * n[3]
        self.jaw = (mix(10.4, 12.8, g) + 0.5 * self.old + 0.9 * n[4]) * self.wide
        self.chin, self.chin_wide = (mix(18.0, 19.6, g) + self.old) * self.long, mix(4.8, 7.6, g) + 1.2 * n[5]
        self.eye_x, self.eye_y, self.eye_size = 6.7 + 0.5 * n[6], -0.6 + 0.5 * n[7], 1.0 + 0.12 * n[8]
        self.eye_slant, self.gaze = 0.5 * n[9], (0.9 * n[10] + 0.4 * self.pose, 0.35 * n[11])
        self.brow_y, self.brow_thick = 0.7 * n[12], 1.0 + 0.3 * n[13]
        self.nose_long, self.nose_wide = 0.7 * n[14], 1.0 + 0.22 * n[15]
        self.mouth_y, self.mouth_wide, self.lip = 0.5 * n[16], 1.0 + 0.12 * n[17], 1.0 + 0.3 * n[18]
        self.smirk, self.ear = 0.7 * n[19], 1.0 + 0.15 * n[20]
        self.pitch = 0.07 * n[21]
        self.shift = (1.3 * n[22] - 2.0 * self.sine, 2.4 + 0.8 * n[23])
        self.scale = 0.92 + 0.14 * self.zoom

    def look(self, canvas, of="head"):
        """Set the canvas's frame to the head, or to the body, which does not tilt."""
        turn = 0.16 * self.tilt if of == "head" else 0.0
        canvas.place(self.scale, turn, *self.shift, pivot=20.0)

    def on_face(self, points):
        """Return the positions [P, 2], after the turn, of points on the face, (x, y) or (x, y, height above skin)."""
        x, y, height = np.array([(*point, 0.0)[:3] for point in points], np.float64).T
        depth = 14.0 * np.sqrt(np.maximum(0.02, 1.0 - (x / 17.5) ** 2 - (y / 27.0) ** 2)) + height
        return np.array((x * self.cosine + depth * self.sine, y + (depth - 10.0) * self.pitch)).T

    def on_outline(self, points):
        """Return the positions of points on the head's outline after the turn; the jaw moves, the crown stays."""
        return [(x + self.sine * 5.0 * ramp(y, -14.0, 18.0), y) for x, y in points]

    def shaded(self, canvas, colour, shadow, light, at, radii, gloss=0.0):
        """Return a shaded ellipsoid, float [n, n, 3] for `canvas.lay`; centre `at` and `radii` in units."""
        x, y = canvas.grid()
        u, v = (x - at[0]) / radii[0], (y - at[1]) / radii[1]
        facing = u * self.lamp[0] + v * self.lamp[1] + np.sqrt(np.maximum(0.05, 1.0 - u * u - v * v)) * self.lamp[2]
        t = np.clip(0.62 + 1.1 * self.hard * (facing - 0.5), 0.0, 1.0)[:, :, None]
        t = t * t * (3.0 - 2.0 * t)
        picture = np.array(shadow) + (np.array(colour) - np.array(shadow)) * t
        shine = np.maximum(0.0, facing - 0.72)[:, :, None] * (1.4 * self.hard + gloss)
        return picture + (np.array(light) - picture) * np.minimum(1.0, shine)

    def cast(self, length):
        """Return the offset (x, y) of the shadow of something `length` units above the skin."""
        return -length * 1.2 * self.lamp[0], -length * 1.2 * self.lamp[1]
