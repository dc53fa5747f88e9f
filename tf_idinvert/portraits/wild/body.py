"""Neck and clothes of a wild portrait: six garments in seven patterns, with folds, and scarves."""
from __future__ import annotations

import numpy as np

from tf_idinvert.portraits.canvas import mix, oval, palette, scaled, symmetric
from tf_idinvert.portraits.wild.sitter import CLOTHES

WHITE, DARK = (246, 244, 240), (28, 28, 38)


def body(canvas, sitter):
    """Draw the neck, the chin's shadow on it, and the clothes."""
    sitter.look(canvas, "body")
    n = sitter.details("body", 120)
    neck, wide = 6.0 + 2.4 * sitter.gender, 20.0 + 6.5 * sitter.gender + 2.0 * (n[0] - 0.5)

    def shifted(half, x=0.0):
        return [(u - 1.5 * sitter.sine + x, v) for u, v in symmetric(half)]

    trunk = canvas.area(shifted([(0, 10), (neck, 10), (neck, 22), (neck + 5, 27), (neck + 8, 40), (0, 40)]))
    canvas.lay(sitter.shaded(canvas, sitter.skin_colour, sitter.skin_shadow, sitter.skin_light, (0, 24),
                             (neck + 3.5, 40)), trunk)
    x, y = sitter.cast(3.0)
    chin = [(0, 4), (sitter.jaw, 8), (neck + 3, 16), (4.5, 22 + 0.5 * y), (0, 24.0 + 0.5 * y)]
    canvas.glaze(shifted(chin, x), scaled(sitter.skin_shadow, 0.72, 0.6, 0.6), 0.5 + 0.4 * sitter.hard, 1.2, trunk)
    for sign in (-1, 1):        # collar bones
        bone = [(sign * u - 1.5 * sitter.sine, v) for u, v in ((1.4, 27.4), (4, 26.4), (8, 26.0), (6, 27.4))]
        canvas.glaze(bone, sitter.skin_line, 0.4, 0.5, trunk)
    colour = palette(CLOTHES, sitter.cloth)
    GARMENTS[int(sitter.garment)](canvas, sitter, shifted, colour, neck, wide, n)
    if sitter.scarf:
        scarf(canvas, sitter, n)


def cloth(canvas, sitter, outline, colour, n):
    """Fill the outline with patterned cloth, shaded by light and folds."""
    mask = canvas.area(outline)
    x, y = canvas.grid()
    pattern = PATTERNS[int(sitter.pattern)](x + 0.02 * y * x, y - 0.012 * x * x, n)
    other = mix(colour, (WHITE, DARK, CLOTHES[int(n[1] * 10)])[int(n[2] * 3)], 0.45 + 0.4 * n[3])
    picture = np.array(colour) + (np.array(other) - np.array(colour)) * pattern[:, :, None]
    fold = 0.06 * np.clip(np.abs(((x * (0.3 + 0.2 * n[4]) - y * 0.25 + 40 * n[5]) % 4.0) - 2.0) - 1.0, -1.0, 1.0)
    light = 0.92 + 0.012 * sitter.hard * sitter.side * x - 0.006 * (y - 26) + fold
    canvas.lay(picture * light[:, :, None], mask)
    canvas.grainy(mask, DARK, 0.14, n[6:8], "weave")
    return mask


def _plain(x, y, n):
    return np.zeros(np.shape(x))


def _across(x, y, n):
    return ((y / (1.6 + 2.6 * n[10])) % 1.0 < 0.3 + 0.3 * n[11]) * 1.0


def _upright(x, y, n):
    return ((x / (1.6 + 3.0 * n[10])) % 1.0 < 0.25 + 0.3 * n[11]) * 1.0


def _checks(x, y, n):
    period = 2.2 + 2.6 * n[10]
    return 0.5 * ((x / period) % 1.0 < 0.5) + 0.5 * ((y / period) % 1.0 < 0.5)


def _plaid(x, y, n):
    period = 4.0 + 3.0 * n[10]
    u, v = (x / period) % 1.0, (y / period) % 1.0
    thin = 0.9 * (abs(u - 0.7) < 0.06) + 0.9 * (abs(v - 0.7) < 0.06)
    return np.minimum(1.0, 0.4 * (u < 0.4) + 0.4 * (v < 0.4) + thin)


def _dots(x, y, n):
    period = 2.4 + 2.4 * n[10]
    row = np.floor(y / period)
    u, v = (x / period + 0.5 * (row % 2)) % 1.0 - 0.5, (y / period) % 1.0 - 0.5
    return np.clip(1.0 + 6.0 * (0.28 + 0.06 * n[11] - np.sqrt(u * u + v * v)), 0.0, 1.0)


def _blots(x, y, n):
    """Flowers or camouflage: the sum of two crossed waves, cut at a threshold."""
    u, v = x / (2.0 + 2.0 * n[10]), y / (2.0 + 2.0 * n[11])
    wave = (abs((u + 0.7 * v) % 2.0 - 1.0) - 0.5) * (abs((v - 0.6 * u) % 2.0 - 1.0) - 0.5)
    return np.clip(0.5 + 14.0 * (wave + 0.03), 0.0, 1.0)


def shirt(canvas, sitter, shifted, colour, neck, wide, n):
    """Round-necked: a T-shirt or pullover, with the hem of its neck."""
    deep = 27 + 3 * n[20]
    outline = [(0, deep), (neck - 1, 24.5 + 0.3 * (deep - 27)), (neck + 1.5, 23), (0.72 * wide, 25.8), (wide, 28.5),
               (wide + 5, 36), (wide + 5, 48), (0, 50)]
    cloth(canvas, sitter, shifted(outline), colour, n)
    hem = [(0, deep + 0.3), (neck - 1.2, 25.4 + 0.3 * (deep - 27)), (neck + 0.8, 23.2)]
    canvas.stroke(shifted(hem), 1.5, scaled(colour, 0.72), taper=1.0)


def v_neck(canvas, sitter, shifted, colour, neck, wide, n):
    """Open in a V, with or without something white below."""
    outline = [(0, 36 + 6 * n[20]), (neck + 0.5, 23.6), (neck + 2.0, 22.8), (0.72 * wide, 25.8), (wide, 28.5),
               (wide + 5, 36), (wide + 5, 48), (0, 60)]
    if n[21] < 0.4:
        under = [(0, 28), (neck - 1, 25), (neck + 2, 24), (neck + 4, 40), (0, 44)]
        canvas.fill(shifted(under), (236, 236, 232))
    cloth(canvas, sitter, _angular(shifted(outline)), colour, n)
    for sign in (-1, 1):
        edge = [(sign * (neck + 0.8) - 1.5 * sitter.sine, 23.4), (-1.5 * sitter.sine, 36 + 6 * n[20])]
        canvas.stroke(edge, 1.2, scaled(colour, 0.7), taper=1.0)


def collar(canvas, sitter, shifted, colour, neck, wide, n):
    """A shirt with collar, buttons, at times a tie."""
    shirt(canvas, sitter, shifted, colour, neck, wide, n)
    middle = -1.5 * sitter.sine
    canvas.stroke([(middle, 28), (middle, 50)], 0.5, scaled(colour, 0.6), taper=1.0)
    if n[21] < 0.35:
        tie = palette(CLOTHES, n[22])
        canvas.polygon([(middle - 1.8, 27), (middle + 1.8, 27), (middle + 2.8, 44), (middle - 2.8, 44)], tie)
        canvas.fill(oval(middle, 28, 2.0, 1.6), scaled(tie, 0.8))
    for sign in (-1, 1):
        flap = [(0.2, 27.6), (neck + 1.2, 21.6), (neck + 3.2, 23.4), (neck - 0.4, 31.5)]
        canvas.polygon([(sign * u + middle, v) for u, v in flap], mix(colour, WHITE, 0.18))
        canvas.stroke([(sign * u + middle, v) for u, v in (flap[0], flap[3])], 0.5, scaled(colour, 0.6), taper=1.0)
        canvas.stroke([(sign * u + middle, v) for u, v in (flap[2], flap[3])], 0.5, scaled(colour, 0.6), taper=1.0)


def roll_neck(canvas, sitter, shifted, colour, neck, wide, n):
    """A pullover whose collar covers the neck."""
    shirt(canvas, sitter, shifted, colour, neck, wide, n)
    outline = [(0, 19.5), (neck - 0.5, 18.4), (neck + 1.6, 19.5), (neck + 2.6, 25.5), (0.5 * neck, 28.4), (0, 28.8)]
    mask = canvas.area(shifted(outline))
    canvas.lay(sitter.shaded(canvas, mix(colour, WHITE, 0.08), scaled(colour, 0.55), mix(colour, WHITE, 0.3), (0, 24),
                             (neck + 4, 30)), mask)
    ribs = [[(u, 18.5), (1.1 * u, 28.6)] for u in np.arange(-neck - 1, neck + 2, 1.3)]
    canvas.lines(np.array(ribs) - (1.5 * sitter.sine, 0), 0.3, [tuple(int(v * 0.8) for v in colour)] * len(ribs), mask)


def jacket(canvas, sitter, shifted, colour, neck, wide, n):
    """A jacket with lapels over a shirt, at times with a tie."""
    white = palette(((240, 240, 238), (210, 224, 240), (60, 60, 70), (240, 214, 214)), n[20])
    canvas.fill(shifted([(0, 28.5), (neck - 1, 25), (neck + 1, 22.5), (neck + 6, 30), (neck + 6, 46), (0, 50)]), white)
    middle = -1.5 * sitter.sine
    if n[21] < 0.55 * (0.4 + 0.6 * sitter.gender):
        tie = palette(CLOTHES, n[22])
        canvas.polygon([(middle - 1.8, 26.5), (middle + 1.8, 26.5), (middle + 2.6, 46), (middle - 2.6, 46)], tie)
        canvas.polygon([(middle - 2.0, 26.2), (middle + 2.0, 26.2), (middle + 1.4, 29.4), (middle - 1.4, 29.4)],
                       scaled(tie, 0.8))
    for sign in (-1, 1):
        half = [(neck + 0.5, 22.4), (0.72 * wide, 25.2), (wide + 1, 28.5), (wide + 6, 37), (wide + 6, 50), (2, 50),
                (2.4, 40), (neck - 2, 31)]
        cloth(canvas, sitter, _angular([(sign * u + middle, v) for u, v in half]), colour, n)
        lapel = [(neck + 0.8, 22.2), (neck + 4.6, 27.4), (neck + 2.2, 29.0), (neck + 3.4, 30.5), (1.8, 42)]
        canvas.polygon([(sign * u + middle, v) for u, v in lapel], scaled(colour, 0.82))


def hood(canvas, sitter, shifted, colour, neck, wide, n):
    """A hooded jacket: the hood around the neck, two cords."""
    canvas.fill(shifted([(0, 14), (neck + 5, 14.5), (neck + 8, 22), (neck + 4, 30), (0, 32)]), scaled(colour, 0.62))
    canvas.fill(shifted([(0, 12), (neck - 0.4, 12), (neck - 0.4, 26), (0, 28.5)]), sitter.skin_shadow)
    shirt(canvas, sitter, shifted, colour, neck, wide, n)
    for sign in (-1, 1):
        roll = [(sign * u - 1.5 * sitter.sine, v) for u, v in ((neck + 5, 17), (neck + 4.4, 23), (neck, 28), (1.5, 31))]
        canvas.stroke(roll, 4.6, scaled(colour, 0.88), taper=0.5)
        cord = [(sign * 3.6 - 1.5 * sitter.sine, 30), (sign * (4 + n[20]), 40)]
        canvas.stroke(cord, 0.8, mix(colour, WHITE, 0.7), 1.0)


def scarf(canvas, sitter, n):
    """A scarf wound around the neck, one end hanging down."""
    colour = palette(CLOTHES, n[60])
    middle, side = -1.5 * sitter.sine, 1 if n[61] < 0.5 else -1
    end = [(side * 4 + middle, 26), (side * 9 + middle, 26), (side * 10 + middle, 50), (side * 3 + middle, 50)]
    wound = symmetric([(0, 20.5), (9, 18), (12.5, 20.5), (12, 26), (0, 31)])
    for outline in (end, [(u + middle, v) for u, v in wound]):
        cloth(canvas, sitter, outline, colour, n[50:])
    for level in (22.5, 25.5):
        fold = symmetric([(0, level + 2.2), (6, level + 1), (11, level - 2)])
        canvas.stroke([(u + middle, v) for u, v in fold], 0.7, scaled(colour, 0.62))


def _angular(points):
    """Return the outline with corners instead of curves, by repeating its points."""
    return [point for point in points for _ in range(3)]


GARMENTS = (shirt, v_neck, collar, roll_neck, jacket, hood)
PATTERNS = (_plain, _across, _upright, _checks, _plaid, _dots, _blots)
