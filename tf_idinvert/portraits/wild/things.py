"""Things that a sitter wears or holds: glasses, earrings, hats, headphones, a hand, a cup."""
from __future__ import annotations

import numpy as np

from tf_idinvert.portraits.canvas import mix, oval, palette, ramp, scaled, symmetric
from tf_idinvert.portraits.wild.sitter import CLOTHES, SHADE

RIMS = ((30, 28, 38), (88, 54, 34), (190, 152, 84), (150, 40, 48), (44, 66, 120), (176, 178, 186))
GOLD, SILVER, WHITE, DARK = (236, 190, 92), (226, 230, 238), (255, 255, 255), (26, 24, 32)
# Lenses: half width, half height, and corners relative to these, starting at the temple and going up and round.
LENSES = (
    (4.9, 4.0, ((1, 0), (0.9, 0.9), (0, 1.1), (-0.9, 0.9), (-1, 0), (-0.92, -0.85), (0, -1), (0.92, -0.85))),
    (4.5, 4.4, ((1, 0), (0.71, 0.71), (0, 1), (-0.71, 0.71), (-1, 0), (-0.71, -0.71), (0, -1), (0.71, -0.71))),
    (5.1, 2.9, ((1, 0), (0.95, 0.9), (0, 1), (-0.95, 0.9), (-1, 0), (-0.95, -0.9), (0, -1), (0.95, -0.9))),
    (5.0, 3.6, ((1.1, -0.5), (0.75, 0.75), (0, 1.05), (-0.75, 0.8), (-1, 0), (-0.9, -0.7), (0, -0.95), (1.1, -1.1))),
    (5.4, 4.6, ((1, -0.2), (0.8, 0.7), (0.2, 1.1), (-0.6, 0.8), (-0.95, 0), (-0.8, -0.8), (0, -0.9), (0.85, -0.8))),
    (5.4, 4.2, ((1, 0), (0.85, 0.8), (0, 1.0), (-0.85, 0.85), (-1, 0), (-0.92, -0.85), (0, -0.95), (0.95, -0.9))))
RIM_WIDTHS = (1.4, 0.7, 1.0, 1.3, 0.6, 1.1)


def glasses(canvas, sitter, mask):
    """Draw glasses slightly above the skin, with shadow, reflecting lenses, and temples to the ears."""
    if not sitter.eyeglasses:
        return
    sitter.look(canvas)
    n, kind = sitter.details("things", 60), int(sitter.frame)
    dark, width = kind == 5 or (kind == 4 and n[1] < 0.3), RIM_WIDTHS[kind] * (0.85 + 0.3 * n[2])
    colour = RIMS[2 if kind == 4 else int(n[0] * 6)]
    x, y = sitter.cast(1.4)
    for sign in (-1, 1):
        lens = _lens(sitter, sign, kind)
        canvas.stroke(np.asarray(lens) + (x, y), width, mix(sitter.skin_colour, sitter.skin_shadow, 0.8), 1.0, True)
        inside = canvas.area(lens)
        canvas.glaze(lens, DARK if dark else (222, 236, 248), 0.93 if dark else 0.10 + 0.15 * n[3], 0.2, inside)
        gleam = [(u + 2.6 * sitter.side, v) for u, v in sitter.on_face([
            (sitter.eye_x * sign + k, -0.2 + v, 1.5) for k, v in ((-0.4, -4), (1.6, -4), (-0.8, 4), (-2.2, 4))])]
        canvas.glaze(gleam, WHITE, (0.2 + 0.5 * n[4]) * sitter.hard, 0.3, inside)
        canvas.stroke(lens, width, colour, taper=1.0, closed=True)
        hinge = sitter.on_face([((sitter.eye_x + LENSES[kind][0]) * sign, -1.6, 1.5)])
        temple = np.concatenate((hinge, [[15.4 * sitter.wide * sign - 2.0 * sitter.sine, -2.0]]))
        canvas.stroke(temple, width, scaled(colour, 0.85), taper=1.0)
    bridge = sitter.eye_x - LENSES[kind][0]
    canvas.stroke(sitter.on_face(symmetric([(0, -1.9, 3), (bridge, -1.0, 2)])), width, colour, taper=1.0)
    if kind == 4:
        canvas.stroke(sitter.on_face(symmetric([(0, -3.7, 3), (bridge + 1.5, -3.6, 2)])), width, colour, taper=1.0)


def _lens(sitter, sign, kind):
    wide, high, corners = LENSES[kind]
    return sitter.on_face([(sign * (sitter.eye_x + wide * u), 0.1 + high * v, 1.5) for u, v in corners])


def earrings(canvas, sitter):
    """Draw studs, hoops, or drops."""
    if not sitter.earrings:
        return
    sitter.look(canvas)
    n, kind = sitter.details("things", 60), int(sitter.earrings)
    colour = (GOLD, SILVER, palette(CLOTHES, n[11]))[int(n[10] * 3)]
    for sign in (-1, 1):
        x = sign * (15.2 * sitter.wide - 3.0 * ramp(sitter.length, 0.1, 0.4)) - 3.8 * sitter.sine
        y = 4.6 * sitter.ear
        if kind == 1:
            canvas.fill(oval(x, y, 0.9, 0.9), colour)
        elif kind == 2:
            size = 2.0 + 1.6 * n[12]
            canvas.stroke(oval(x, y + size, 0.8 * size, size), 0.7, colour, 1.0, closed=True)
        else:
            canvas.stroke([(x, y), (x, y + 3)], 0.5, colour, 1.0)
            canvas.fill([(x, y + 2), (x + 1.3, y + 5), (x, y + 6.6 + 2 * n[12]), (x - 1.3, y + 5)], colour)
        canvas.fill(oval(x - 0.2, y - 0.2, 0.35, 0.35), WHITE)


def headphones(canvas, sitter):
    if not sitter.headphones:
        return
    sitter.look(canvas)
    n = sitter.details("things", 60)
    colour = palette(CLOTHES, n[15])
    back, w, top = -2.5 * sitter.sine, 16.8 * sitter.wide, -27.5
    arc = [(x + back, y) for x, y in symmetric([(0, top), (10, top + 3.0), (w, -12), (w + 0.6, -2)])]
    canvas.stroke(arc, 3.0, scaled(colour, 0.6), 1.0)
    canvas.stroke([(x, y - 0.3) for x, y in arc], 1.5, mix(colour, WHITE, 0.15), 1.0)
    for sign in (-1, 1):
        x, thick = sign * (w + 0.4) - 4.0 * sitter.sine, 2.8 + 0.9 * sign * -sitter.sine
        canvas.fill(oval(x - 0.9 * sign, 1.0, thick, 6.2), DARK)
        canvas.fill(oval(x + 0.4 * sign, 1.0, thick, 5.6), colour)
        canvas.fill(oval(x + 0.2 * sign - 0.6 + 0.8 * sitter.side, -1.0, 0.9, 2.0), mix(colour, WHITE, 0.35))


def hat(canvas, sitter, mask):
    """Draw a woollen hat, a peaked cap, a brimmed hat, a beret, or a band, with its shadow on the face."""
    if not sitter.hat:
        return
    sitter.look(canvas)
    n, kind = sitter.details("things", 60), int(sitter.hat)
    colour = palette(CLOTHES, n[20])
    x, y = sitter.cast(2.5)
    shadow = sitter.on_face([(u, -9.0 + 0.02 * u * u) for u in (-15, -9, 0, 9, 15)] + [
        (u + x, -5.0 + y + 3.5 * (kind in (2, 3))) for u in (14, 7, 0, -7, -14)])
    canvas.glaze(shadow, SHADE, 0.2 + 0.3 * sitter.hard, 1.0, mask)
    HATS[kind - 1](canvas, sitter, colour, n)


def _dome(canvas, sitter, colour, top, wide, edge=-8.0, lean=0.0):
    """Draw the part of a hat on the head; return its mask."""
    back = -1.8 * sitter.sine
    rim = sitter.on_face([(u, edge + 0.012 * u * u) for u in (15.5, 11, 5.5, 0, -5.5, -11, -15.5)])
    half = [(0, top), (0.62 * wide, top + 2.2), (0.95 * wide, 0.5 * top - 3), (wide, edge + 1.5)]
    crown = [(u + back + lean * (edge - v) / 10.0, v) for u, v in symmetric(half)]
    mask = canvas.area(np.concatenate((crown, rim)))
    canvas.lay(sitter.shaded(canvas, colour, scaled(colour, 0.5), mix(colour, WHITE, 0.35), (back, -8), (19, 22)), mask)
    return mask


def _around(sitter, level, wide):
    """Return a line around the head from temple to temple, lowest at the temples, of half width `wide`."""
    line = sitter.on_face([(u * wide, level + 0.014 * (u * wide) ** 2) for u in (-1.0, -0.55, 0.0, 0.55, 1.0)])
    line[:, 0] = np.clip(line[:, 0], -wide - 1.8 * sitter.sine, wide - 1.8 * sitter.sine)
    return line


def _woollen(canvas, sitter, colour, n):
    mask = _dome(canvas, sitter, colour, -28 - 2 * n[21], 16.8)
    u = np.linspace(-16, 16, 22)
    ribs = np.stack((np.stack((0.5 * u, np.full(22, -30.0)), 1), np.stack((u, np.full(22, -17.0)), 1),
                     np.stack((1.05 * u, np.full(22, -7.0)), 1)), axis=1)
    canvas.lines(ribs, 0.4, [tuple(int(v * 0.78) for v in colour)] * 22, mask)
    fold = _around(sitter, -9.6, 16.4)
    canvas.stroke(fold, 5.0, mix(colour, (WHITE, DARK)[int(n[22] * 2)], 0.25), 1.0)
    if n[23] < 0.5:
        canvas.fill(oval(-3 * sitter.sine, -30.5 - 2 * n[21], 4.0, 3.6), mix(colour, WHITE, 0.4))


def _peaked(canvas, sitter, colour, n):
    _dome(canvas, sitter, colour, -27.5, 16.6, -10.0)
    canvas.fill(oval(2.0 * sitter.sine, -19, 3.2, 2.6), palette(CLOTHES, n[24]))
    peak = sitter.on_face([(-13, -9.6), (-8, -10.6, 2), (0, -11.2, 3), (8, -10.6, 2), (13, -9.6)])
    front = sitter.on_face([(13.5, -6.8, 2), (7.5, -5.6, 8), (0, -5.0, 10), (-7.5, -5.6, 8), (-13.5, -6.8, 2)])
    brim = np.concatenate((peak, front))
    canvas.fill(brim, scaled(colour, 0.62))
    canvas.stroke(front, 0.6, mix(colour, WHITE, 0.2), 0.6)


def _brimmed(canvas, sitter, colour, n):
    wide = 22 + 6 * n[21]
    brim = [(u * sitter.cosine + 2 * sitter.sine, v) for u, v in symmetric(
        [(0, -14), (0.6 * wide, -13.4), (wide, -9 - 4 * n[22]), (0.6 * wide, -6.5), (0, -5.6)])]
    canvas.fill(brim, scaled(colour, 0.66))
    _dome(canvas, sitter, colour, -27 - 2 * n[23], 14.6, -10.5)
    band = _around(sitter, -11.6, 14.3)
    canvas.stroke(band, 2.6, palette(CLOTHES, n[24]), 1.0)


def _beret(canvas, sitter, colour, n):
    side = 1 if n[21] < 0.5 else -1
    shape = [(-15, -11), (-17 + 3 * side, -18), (-8 + 4 * side, -25), (6 * side, -26.5), (8 + 4 * side, -25),
             (18 + 3 * side, -17.5), (15, -11), (7, -13), (-7, -13)]
    mask = canvas.area(shape)
    canvas.lay(sitter.shaded(canvas, colour, scaled(colour, 0.5), mix(colour, WHITE, 0.3), (2 * side, -12), (20, 17)),
               mask)
    canvas.stroke(_around(sitter, -11.5, 15.0), 2.0, scaled(colour, 0.6), 1.0)


def _band(canvas, sitter, colour, n):
    band = _around(sitter, -13.5, 15.4)
    canvas.stroke(band, 3.0 + 2.0 * n[21], colour, 1.0)
    canvas.stroke([(u, v - 0.8) for u, v in band], 0.7, mix(colour, WHITE, 0.5), 1.0)
    if n[22] < 0.4:
        for sign in (-1, 1):
            x = 9 + 4 * n[23]
            canvas.fill([(x, -16), (x + 4.5 * sign, -19.5), (x + 5 * sign, -13.5)], scaled(colour, 0.86))


HATS = (_woollen, _peaked, _brimmed, _beret, _band)


def held(canvas, sitter):
    """Draw a hand at the chin or the cheek, or a hand with a cup in front of the mouth."""
    if not sitter.hand:
        return
    sitter.look(canvas, "body")
    n = sitter.details("things", 60)
    side = 1 if n[30] < 0.5 else -1
    if sitter.hand == 2:
        _cup(canvas, sitter, side, n)
        return
    reach, x = 9 + 6 * n[31], 4 * sitter.sine
    canvas.glaze([(side * u + x, v) for u, v in ((6, 4), (13, 5), (13, 20), (5, 20))], sitter.skin_line, 0.5, 1.5)
    _limb(canvas, sitter, [(side * 24, 44), (side * 17, 33), (side * 10.5 + x, 22)], 9.5)
    _limb(canvas, sitter, [(side * 10 + x, 21), (side * 5 + x, 20.5), (side * 1.5 + x, 19.5)], 3.6)
    for k in range(4):
        u = 13.4 - 2.6 * k
        tip = 19.5 - reach * (0.85, 1.0, 0.95, 0.6)[k]
        _limb(canvas, sitter, [(side * (u - 0.8) + x, 23), (side * u + x, 18), (side * (u - 1.4) + x, tip)], 2.9)


def _limb(canvas, sitter, points, width):
    """Draw an arm or a finger: rounded, darker at the edges, with a lit end."""
    canvas.stroke(points, width + 0.7, mix(sitter.skin_shadow, sitter.skin_line, 0.6), 0.82)
    canvas.fill(oval(*points[-1], 0.44 * width, 0.44 * width), mix(sitter.skin_shadow, sitter.skin_line, 0.6))
    canvas.stroke(points, width - 0.2, mix(sitter.skin_colour, sitter.skin_shadow, 0.25), 0.82)
    canvas.fill(oval(*points[-1], 0.4 * width, 0.4 * width), mix(sitter.skin_colour, sitter.skin_shadow, 0.15))
    canvas.stroke([(u + 0.2 * width * sitter.side, v) for u, v in points], 0.3 * width,
                  mix(sitter.skin_colour, sitter.skin_light, 0.5), 0.4)


def _cup(canvas, sitter, side, n):
    colour, x, y = palette(CLOTHES, n[32]), 4 * sitter.sine + 2 * (n[33] - 0.5), 9.5 + 3 * n[34]
    _limb(canvas, sitter, [(side * 24, 46), (side * 16 + x, 34), (side * 6 + x, y + 9)], 9.0)
    mug = canvas.area([(x - 6.6, y), (x + 6.6, y), (x + 6.6, y), (x + 5.8, y + 13), (x + 4, y + 14), (x - 4, y + 14),
                       (x - 5.8, y + 13), (x - 6.6, y)])
    canvas.lay(sitter.shaded(canvas, colour, scaled(colour, 0.5), mix(colour, WHITE, 0.45), (x, y + 6), (7.5, 24)), mug)
    canvas.fill(oval(x, y, 6.6, 1.6), mix(colour, WHITE, 0.35))
    canvas.fill(oval(x, y + 0.1, 5.8, 1.1), (70, 44, 32))
    handle = [(x - 6 * side, y + 3), (x - 10 * side, y + 4), (x - 9.6 * side, y + 9), (x - 5.6 * side, y + 10.5)]
    canvas.stroke(handle, 1.7, scaled(colour, 0.8), 1.0)
    for k in range(4):
        v = y + 3.2 + 2.7 * k
        _limb(canvas, sitter, [(side * 8.6 + x, v + 1), (side * 5 + x, v), (side * (0.6 + 0.5 * k) + x, v + 0.3)], 2.7)
