"""Hair and beard of a wild portrait, drawn in single strokes; beards have five cuts."""
from __future__ import annotations

import numpy as np

from tf_idinvert.portraits.canvas import curve, mix, oval, ramp, scaled, symmetric
from tf_idinvert.portraits.wild.canvas import bezier, shades
from tf_idinvert.portraits.wild.sitter import SHADE


def _tress(canvas, sitter, outlines, lines, n, dark=1.0):
    """Fill the outlines with lit hair, then draw the strokes [S, P, 2] inside them."""
    mask = canvas.area(*outlines)
    colours = [scaled(colour, dark) for colour in (sitter.hair_colour, sitter.hair_shadow, sitter.hair_light)]
    canvas.lay(sitter.shaded(canvas, *colours, (0, -4), (21, 27), 0.4), mask)
    half = len(lines) // 2
    canvas.lines(lines[::2], 0.45, shades(scaled(sitter.hair_colour, 0.84 * dark), half, 0.22, n), mask)
    canvas.lines(lines[1::2], 0.25, shades(mix(colours[0], colours[2], 0.5), half, 0.26, n[half:]), mask)


def _waved(sitter, lines, n):
    """Return the strokes with waves or curls across their direction, with a different phase per stroke."""
    along = np.gradient(lines, axis=1)
    across = along[:, :, ::-1] * (-1.0, 1.0) / np.sqrt((along * along).sum(axis=2, keepdims=True) + 1e-6)
    t = np.arange(lines.shape[1])[None, :, None] * (0.14 + 0.35 * sitter.curl)
    t = t + 0.9 * np.asarray(n)[:len(lines), None, None]
    wave = 1.0 - 2.0 * np.abs((2.0 * t) % 2.0 - 1.0)
    return lines + across * wave * (2.0 * ramp(sitter.curl, 0.15, 1.0))


def _rough(sitter, points, n, amount=1.0):
    """Return the outline with protruding locks or curls."""
    line = curve(points, steps=4)
    center = line.mean(axis=0)
    out = line - center
    out = out / np.sqrt((out * out).sum(axis=1, keepdims=True) + 1e-6)
    jitter = np.resize(2.0 * np.asarray(n) - 0.8, len(line))[:, None]
    return line + out * jitter * amount * (0.35 + 1.3 * ramp(sitter.curl, 0.3, 1.0))


def back_hair(canvas, sitter):
    """Draw the hair behind head and shoulders, and the bun."""
    sitter.look(canvas)
    n = sitter.details("hair", 700)
    back, volume, size = -2.0 * sitter.sine, _volume(sitter, n), sitter.bun * (sitter.hat == 0)
    if size:
        place = oval(3 * back + 3 * (n[0] - 0.5), -22.5 - size, 7 * size, 5.8 * size)
        turns = bezier([[(3 * back - 8, -22 - 4 * k), (3 * back - 3, -30 + 3 * k), (3 * back + 3, -30 + 3 * k),
                         (3 * back + 8, -22 - 4 * k)] for k in 3.0 * n[100:130]], 8)
        _tress(canvas, sitter, [_rough(sitter, place, n[10:])], turns, n[100:])
    if sitter.hat in (1.0, 2.0, 4.0):
        volume = 0.3
    end, wide = mix(3.0, 31.0, sitter.length), mix(15.2, 19.5, ramp(sitter.length, 0.1, 0.7)) + 1.8 * (volume - 1.0)
    half = [(0, -20 - 4 * volume), (9.5, -17.5 - 3 * volume), (14.7 + volume, -9), (wide + 0.6, 0.35 * end),
            (0.98 * wide, 0.8 * end), (0.7 * wide, end + 1), (0, end)]
    outline = _rough(sitter, [(x + back, y) for x, y in symmetric(half)], n[30:90], 0.6)
    x = np.linspace(-1.05, 1.05, 64) * wide + back
    lines = np.stack([np.stack((0.5 * x, np.full(64, -24.0)), 1), np.stack((1.1 * x, np.full(64, -14.0)), 1),
                      np.stack((1.12 * x, np.full(64, 0.5 * end)), 1),
                      np.stack((x + 4 * (n[130:194] - 0.5), end + 4 * n[194:258]), 1)], axis=1)
    _tress(canvas, sitter, [outline], _waved(sitter, bezier(lines, 10), n[258:]), n[322:], dark=0.74)


def _volume(sitter, n):
    """Return the thickness of the hair on the head, about 1; 0 for receded hair."""
    return (0.7 + 0.7 * n[1] + 0.9 * ramp(sitter.curl, 0.55, 1.0)) * (1.0 - sitter.recession)


def front_hair(canvas, sitter, mask):
    """Draw the hair above the hairline with its shadow on the forehead, and the locks beside the face."""
    sitter.look(canvas)
    n = sitter.details("hair", 700)
    volume, back, part = _volume(sitter, n), -1.6 * sitter.sine, 14 * (n[2] - 0.5)
    base = mix(mix(-15.0, -7.2, sitter.fringe), -21.0, sitter.recession)
    x = np.array((14.8, 12.8, 10.6, 7.6, 4.2, 0.9, -2.6, -5.8, -9.0, -12.2, -14.8))
    opening = np.maximum(0.0, 1.0 - ((x - part) / (5.0 + 6.0 * n[3])) ** 2) ** 2 * (1.5 + 5.0 * n[4])
    y = base - opening * min(volume, 1.2) + (x / 14.6) ** 4 * (-2.0 - base) + 0.09 * (n[5] - 0.5) * 4 * x
    y = y + (n[400:411] - 0.5) * 2.2 * (0.3 + 0.7 * sitter.fringe) * (1.0 - sitter.recession)
    hairline = sitter.on_face(list(zip(x * sitter.wide, y)))
    wide = 15.9 * sitter.wide
    crown = [(0, -20.6 - 4.6 * volume), (10.8, -18 - 3.4 * volume), (wide + 0.9 * volume, -9.5), (wide, -2.5)]
    crown = [(u + back, v) for u, v in symmetric(crown)]
    cap = np.concatenate((_rough(sitter, crown + crown[::-1], n[420:], 0.8)[:4 * len(crown) - 3], hairline))
    dx, dy = sitter.cast(1.6)
    shadow = np.concatenate((np.array(crown), hairline + (dx, dy + 1.2)))
    canvas.glaze(shadow, SHADE, 0.15 + 0.3 * sitter.hard, 0.9, mask)
    ends = sitter.on_face([(u, v + 1.0) for u, v in zip(np.linspace(-15.5, 15.5, 96), np.interp(
        np.linspace(-15.5, 15.5, 96), x[::-1], y[::-1]))])
    start = np.stack((part + back + 2.4 * (n[500:596] - 0.5) + 0.05 * ends[:, 0], np.full(96, -21.5 - 4 * volume)), 1)
    lines = np.stack([start, start * (0.2, 1.0) + ends * (0.8, 0.0) + (0, -1.5), ends * (1.06, 0.6) + start * (0, 0.4),
                      ends], axis=1)
    locks = _locks(sitter, back, n)
    _tress(canvas, sitter, [cap], _waved(sitter, bezier(lines, 10), n[600:]), n[500:])
    for outline, strokes in locks:
        _tress(canvas, sitter, [outline], strokes, n[560:], dark=0.92)


def _locks(sitter, back, n):
    """Return the locks beside the face: outlines with their strokes."""
    end, thick = mix(-1.0, 27.0, sitter.length), mix(0.8, 4.4, ramp(sitter.length, 0.0, 0.6))
    for sign in (-1, 1):
        lock = [(0, -12), (1.2, -5), (0.55 * thick, 0.5 * end), (0.45 * thick, end), (-0.5 * thick, 0.85 * end),
                (-0.45 * thick, 0.3 * end - 2), (-1.7, -6)]
        outline = [(sign * (15.2 * sitter.wide + x) + 1.5 * back, y) for x, y in lock]
        stray = 0.25 + 0.5 * ramp(sitter.length, 0.2, 0.6)
        outline = _rough(sitter, outline, n[440 + 20 * sign:480 + 20 * sign], stray)
        u = np.linspace(-1.0, 1.0, 16)
        middle = sign * 15.2 * sitter.wide + 1.5 * back
        lines = np.stack([np.stack((np.full(16, middle) + 0.6 * u - sign, np.full(16, -14.0)), 1),
                          np.stack((middle + 1.4 * u, np.full(16, -4.0)), 1),
                          np.stack((middle + 0.7 * thick * u, np.full(16, 0.5 * end)), 1),
                          np.stack((middle + 0.5 * thick * u, end + 2 * n[540:556]), 1)], axis=1)
        yield outline, _waved(sitter, bezier(lines, 10), n[560:])


def beard(canvas, sitter, mask):
    """Draw beard and moustache, from stubble to full length; cuts: full, goatee, moustache, along the jaw, stubble."""
    if not sitter.beard:
        return
    n, cut = sitter.details("beard", 600), int(sitter.cut)
    grown = 4.2 * sitter.beard * (cut != 4)
    colour = mix(sitter.skin_colour, scaled(sitter.beard_colour, 0.8), ramp(sitter.beard, -0.3, 0.5))
    shapes = _cuts(sitter, cut, grown, n)
    whole = canvas.area(*shapes, smooth=False)
    if cut == 4:
        canvas.grainy(whole, scaled(sitter.beard_colour, 0.7), 0.5 + 0.3 * sitter.beard, n[:2], "fine")
        for shape in shapes:
            canvas.glaze(shape[::6], scaled(sitter.beard_colour, 0.8), 0.3 * sitter.beard, 1.0, whole)
        return
    canvas.lay(sitter.shaded(canvas, colour, scaled(colour, 0.55), mix(colour, (255, 240, 220), 0.25), (0, 2),
                             (20, 27), 0.2), whole)
    count = 150
    x, y = 32 * n[:count] - 16, 26 * n[count:2 * count]
    fall = np.stack((0.05 * x + 0.6 * (n[300:450] - 0.5), 1.2 + 1.2 * sitter.beard * n[450:600]), 1)
    start = np.stack((x + 4 * sitter.sine, y), 1)
    lines = np.stack((start, start + fall), axis=1)
    canvas.lines(lines, 0.3, shades(colour, count, 0.4, n[300:]), whole)


def _cuts(sitter, cut, grown, n):
    """Return the outlines of the parts of a beard, arrays of corners."""
    chin, m = sitter.chin, sitter.mouth_y + 0.7 * sitter.nose_long
    outer = [(0, chin + 0.6 + grown), (8, chin - 0.8 + 0.7 * grown), (sitter.jaw + 0.4, 0.69 * chin + 0.3 * grown),
             (15.1 * sitter.wide, 5), (15 * sitter.wide, -1)]
    inner = [(0, 14.4 + m), (4.5, 13.4 + m), (7.4, 10.2 + m), (10.2 - n[10], 8 + 2 * n[11]), (13.3, 3.5)]
    if cut == 3:
        inner = [(0, chin - 2.0), (6.5, chin - 3.0), (sitter.jaw - 1.6, 0.6 * chin), (13.4, 4), (13.6, 0)]
    rim, edge = sitter.on_outline(symmetric(outer)), sitter.on_face(symmetric(inner))
    jaw = np.concatenate((curve(rim, False), curve(edge, False)[::-1]))
    lip = symmetric([(0, 7.5 + m, 1), (3.2, 7.9 + m, 0.5), (6.4 + n[12], 10.6 + m, 0), (6.0, 12.0 + 2 * n[13] + m, 0),
                     (3.4, 10.2 + m, 0.5), (0, 9.6 + m, 1)])
    moustache = curve(sitter.on_face(lip))
    if cut == 1:
        goatee = curve(sitter.on_outline(symmetric([(0, 14.2 + m), (3.0, 13.8 + m), (5.2, 12.0 + m), (6.6, 13.5 + m), (
            5.5, chin), (0, chin + 1 + 1.3 * grown)])) + np.array((4.0 * sitter.sine, 0.0)))
        return [goatee, moustache]
    return {0: [jaw, moustache], 2: [moustache], 3: [jaw], 4: [jaw, moustache]}[cut]
