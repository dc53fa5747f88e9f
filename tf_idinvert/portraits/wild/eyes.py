"""Eyes and brows of a wild portrait, with make-up."""
from __future__ import annotations

import numpy as np

from tf_idinvert.portraits.canvas import mix, oval, scaled, symmetric
from tf_idinvert.portraits.wild.canvas import shades

WHITE, INK = (250, 248, 244), (40, 28, 32)
SHADOWS = ((110, 80, 130), (70, 100, 140), (150, 90, 70), (90, 70, 64), (170, 90, 110))


def eyes(canvas, sitter):
    n = sitter.details("eyes", 100)
    size = sitter.eye_size
    wide, tall = (3.5 - 0.3 * sitter.old) * size, (mix(2.7, 1.8, sitter.age) + 0.25 * sitter.feminine) * size
    upper = tall * (1.0 - 0.15 * sitter.smile - 0.15 * sitter.frown) * (0.85 + 0.25 * n[0])
    lower = 0.75 * tall * (1.0 - 0.5 * sitter.smile)
    slope = (0.5 * sitter.feminine - 0.7 * sitter.old + sitter.eye_slant) / wide    # the outer corner rises or droops
    for sign in (-1, 1):
        _eye(canvas, sitter, sign, wide, upper, lower, slope, n)


def _eye(canvas, sitter, sign, wide, upper, lower, slope, n):
    x, y = sitter.eye_x * sign, sitter.eye_y
    lid = symmetric([(0, y - upper), (0.55 * wide, y - 0.72 * upper), (wide, y + 0.3)])
    lid = [(x + u, v - slope * max(0.0, sign * u)) for u, v in lid]
    low = [(x + u, v) for u, v in symmetric([(0, y + lower), (0.55 * wide, y + 0.78 * lower)])]
    crease = [(u + 0.1 * sign, v - 1.25 - 0.4 * n[1]) for u, v in lid]
    if sitter.makeup:
        colour = mix(sitter.skin_colour, SHADOWS[int(n[2] * 5)], 0.35 + 0.5 * sitter.makeup)
        canvas.glaze(sitter.on_face(lid + [(u, v - 0.9) for u, v in crease][::-1]), colour, 0.85, 0.5)
    canvas.stroke(sitter.on_face(crease), 0.55, mix(sitter.skin_shadow, sitter.skin_line, 0.4), 0.2)
    bag = [(u, v + 0.9 + 0.3 * sitter.old) for u, v in low]
    canvas.stroke(sitter.on_face(bag), 0.4 + 0.5 * sitter.old, mix(sitter.skin_colour, sitter.skin_shadow, 0.7), 0.1)
    eyeball = sitter.on_face(lid + low[::-1])
    canvas.fill(eyeball, scaled(WHITE, 0.93 - 0.06 * sitter.old))
    inside = canvas.area(eyeball)
    _iris(canvas, sitter, x + sitter.gaze[0], y - 0.1 + sitter.gaze[1], inside)
    shade = np.concatenate((sitter.on_face(lid), sitter.on_face([(u, v + 0.9) for u, v in lid[::-1]])))
    canvas.lay((60, 44, 50), canvas.area(shade, within=inside, amount=0.45))
    canvas.stroke(sitter.on_face(lid), 0.75 + 0.6 * max(sitter.feminine, sitter.makeup), INK, taper=0.35)
    canvas.stroke(sitter.on_face([low[0], *low[1:]]), 0.35, mix(sitter.skin_line, INK, 0.7 * sitter.makeup), taper=0.5)
    (u, v), long = lid[0] if sign < 0 else lid[-1], max(sitter.feminine, sitter.makeup)
    canvas.stroke(sitter.on_face([(u - 0.8 * sign, v - 0.2), (u + 1.5 * sign * long, v - 1.3 * long)]), long, INK)


def _iris(canvas, sitter, x, y, inside):
    """Draw the iris with its dark rim, the pupil and a highlight, between the lids."""
    radius = 2.15 - 0.2 * sitter.age
    for r, colour in ((radius, scaled(sitter.iris_colour, 0.55)), (0.82 * radius, sitter.iris_colour),
                      (0.45 * radius, (18, 14, 18))):
        canvas.lay(colour, canvas.area(sitter.on_face(oval(x, y, r, r)), within=inside))
    light = canvas.area(sitter.on_face(oval(x - 0.5 * sitter.side, y + 1.1, 0.9, 0.5)), within=inside, amount=0.7)
    canvas.lay(mix(sitter.iris_colour, (255, 255, 255), 0.25), light)
    canvas.fill(sitter.on_face(oval(x + 0.8 * sitter.side, y - 0.8, 0.55, 0.55)), (255, 255, 255))


def brows(canvas, sitter):
    """Draw brows of single hairs on a soft ground."""
    n = sitter.details("eyes", 100)
    smile, frown, thick = sitter.smile, sitter.frown, mix(1.1, 2.0, sitter.gender) * sitter.brow_thick
    colour = mix(scaled(sitter.beard_colour, 0.72), INK, 0.3 * (1.0 - sitter.old))
    level, arch = sitter.brow_y + sitter.eye_y + 0.6, -7.2 - 0.6 * sitter.feminine
    for sign in (-1, 1):
        x = sitter.eye_x - 6.7
        places = np.array([((2.9 + x) * sign, -6.3 - 0.9 * smile + 1.1 * frown + level),
                           ((6.6 + x) * sign, arch - 0.9 * smile + 0.2 * frown + level),
                           ((10.9 + x) * sign, -5.4 - 0.5 * smile - 0.2 * frown + level)])
        canvas.stroke(sitter.on_face(places), 0.8 * thick, mix(sitter.skin_colour, colour, 0.75), taper=0.3)
        t = np.linspace(0.0, 1.0, 14)[:, None]
        line = places[0] * (1 - t) ** 2 + 2 * t * (1 - t) * (2 * places[1] - 0.5 * (places[0] + places[2])) \
            + places[2] * t * t
        up = np.array([[0.55 * sign, -0.55 * thick]]) * (1.0 - 0.75 * t) * (0.8 + 0.5 * n[10:24, None])
        hairs = np.stack((line - 0.5 * up, line + up), axis=1).reshape(-1, 2)
        canvas.lines(sitter.on_face(hairs).reshape(-1, 2, 2), 0.3, shades(colour, 14, 0.2, n[30:44]))
