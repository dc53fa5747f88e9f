"""The background of a wild portrait: ten kinds of scene, drawn from far to near, more or less in focus.

The coordinates x and y are from -30 to 30 and not turned with the head.
"""
from __future__ import annotations

import numpy as np

from tf_idinvert.portraits.canvas import mix, oval, palette, scaled, symmetric
from tf_idinvert.portraits.wild.canvas import shades

HUES = ((126, 200, 196), (120, 170, 224), (166, 150, 222), (232, 150, 170), (244, 190, 130), (236, 222, 150),
        (160, 204, 140), (196, 190, 182))
WHITE, DARK, WOOD = (255, 255, 255), (30, 28, 40), (146, 100, 64)


def backdrop(canvas, sitter):
    """Draw the scene, blur it, and draw the head's shadow on walls."""
    n = sitter.details("backdrop", 400)
    hue = palette(HUES, sitter.background)
    tone = mix(hue, scaled(hue, 0.35), 0.75 * n[0] * n[0])
    tone = mix(tone, (sum(tone) / 3.0,) * 3, 0.55 * n[1])
    scene, blur = SCENES[int(sitter.scene)]
    canvas.place()
    canvas.lay(_glow(canvas, tone, sitter, n[2:6]), canvas.area([(-31, -31), (31, -31), (31, 31), (-31, 31)],
                                                                smooth=False))
    scene(canvas, tone, n[6:])
    if blur:
        canvas.blurred(blur * (0.3 + n[399]))
    else:
        head = symmetric([(0, -24), (12, -21), (17, -8), (15, 8), (10, 18), (22, 30), (0, 36)])
        x, y = sitter.cast(7.0)
        sitter.look(canvas, "body")
        canvas.glaze([(u + x, v + y) for u, v in head], scaled(tone, 0.35), 0.6 * sitter.hard, 3.0)


def _glow(canvas, tone, sitter, n):
    """Draw a wall that is brighter around a spot on the side of the light."""
    x, y = canvas.grid(32)
    distance = ((x - 16 * sitter.side + 10 * (n[0] - 0.5)) / 44) ** 2 + ((y + 8 * n[1]) / 44) ** 2
    t = np.maximum(0.0, 1.0 - distance)[:, :, None] * (0.3 + 0.5 * n[2])
    picture = np.array(scaled(tone, 0.78)) + (np.array(mix(tone, WHITE, 0.45)) - np.array(scaled(tone, 0.78))) * t
    return picture * (1.0 - (0.006 * (y + 30) * n[3])[:, :, None])


def plain(canvas, tone, n):
    """The wall alone, with blots of uneven paint."""
    for i in range(6):
        blot = oval(60 * n[i] - 30, 60 * n[10 + i] - 30, 6 + 12 * n[20 + i], 6 + 12 * n[30 + i])
        canvas.glaze(blot, WHITE if i % 2 else scaled(tone, 0.5), 0.16, 5.0)


def stripes(canvas, tone, n):
    """Wallpaper of upright or slanting stripes, a fine one beside each broad one."""
    other = mix(tone, (WHITE, DARK, HUES[int(n[0] * 8)])[int(n[1] * 3)], 0.2 + 0.5 * n[2])
    period, slant = 4.0 + 9.0 * n[3], (0.0, 0.0, 50.0 * (n[4] - 0.5))[int(n[5] * 3)]
    thick = period * (0.25 + 0.4 * n[6])
    for x in np.arange(-60 + period * n[7], 62, period):
        canvas.polygon([(x, -31), (x + thick, -31), (x + thick + slant, 31), (x + slant, 31)], other)
        if n[8] < 0.5:
            x += 0.5 * (thick + period)
            canvas.polygon([(x, -31), (x + 0.5, -31), (x + 0.5 + slant, 31), (x + slant, 31)], other)


def checks(canvas, tone, n):
    """Tiles of two tones with joints, or a plaid."""
    other, period = mix(tone, (WHITE, DARK)[int(n[0] * 2)], 0.15 + 0.4 * n[1]), 5.0 + 9.0 * n[2]
    joint = mix(tone, WHITE, 0.5)
    for row, y in enumerate(np.arange(-30 - period * n[3], 31, period)):
        for column, x in enumerate(np.arange(-30 - period * n[4], 31, period)):
            if (row + column) % 2:
                canvas.polygon([(x, y), (x + period, y), (x + period, y + period), (x, y + period)], other)
        canvas.polygon([(-31, y), (31, y), (31, y + 0.4), (-31, y + 0.4)], joint)
    for x in np.arange(-30 - period * n[4], 31, period):
        canvas.polygon([(x, -31), (x + 0.4, -31), (x + 0.4, 31), (x, 31)], joint)


def dots(canvas, tone, n):
    """Wallpaper of dots or diamonds in staggered rows."""
    other, period = mix(tone, (WHITE, DARK, HUES[int(n[0] * 8)])[int(n[1] * 3)], 0.35 + 0.4 * n[2]), 6.0 + 7.0 * n[3]
    radius = period * (0.12 + 0.16 * n[4])
    for row, y in enumerate(np.arange(-32 + period * n[5], 33, 0.5 * period)):
        for x in np.arange(-34 + 0.5 * period * (row % 2), 34, period):
            if n[6] < 0.6:
                canvas.fill(oval(x, y, radius, radius), other)
            else:
                canvas.polygon([(x - radius, y), (x, y - 1.4 * radius), (x + radius, y), (x, y + 1.4 * radius)], other)


def bricks(canvas, tone, n):
    """A wall of bricks, each of its own tone."""
    base = mix((172, 92, 72), tone, 0.35 + 0.5 * n[0])
    high, wide = 4.2 + 2.0 * n[1], 10.0 + 4.0 * n[2]
    tones = iter(shades(base, 150, 0.16, np.tile(n[10:160], 2)) * 2)
    for row, y in enumerate(np.arange(-30 - high * n[3], 31, high)):
        for x in np.arange(-30 - wide * (n[4] + 0.5 * (row % 2)), 31, wide):
            canvas.polygon([(x + 0.35, y + 0.35), (x + wide - 0.35, y + 0.35), (x + wide - 0.35, y + high - 0.35),
                            (x + 0.35, y + high - 0.35)], next(tones))


def lights(canvas, tone, n):
    """A dark street far out of focus: discs of coloured light."""
    canvas.glaze([(-40, -40), (40, -40), (40, 40), (-40, 40)], scaled(tone, 0.25), 0.8, 1.0)
    colours = ((255, 214, 140), (255, 150, 90), (140, 190, 255), (250, 120, 150), (200, 255, 210), tone)
    for i in range(22):
        radius = 1.6 + 3.6 * n[80 + i]
        colour = mix(scaled(tone, 0.35), colours[int(n[120 + i] * 6)], 0.35 + 0.6 * n[160 + i])
        x, y = 64 * n[i] - 32, 52 * n[40 + i] - 32
        canvas.fill(oval(x, y, radius, radius), colour)
        canvas.fill(oval(x, y, 0.8 * radius, 0.8 * radius), scaled(colour, 0.86))


def foliage(canvas, tone, n):
    """A hedge: leaves from the dark within to the lit ones in front, a few blossoms."""
    green = mix(palette(((60, 104, 58), (96, 136, 60), (140, 130, 58), (70, 120, 92)), n[0]), tone, 0.25)
    canvas.glaze([(-40, -40), (40, -40), (40, 40), (-40, 40)], scaled(green, 0.45), 0.85, 1.0)
    for i in range(90):
        x, y, turn = 64 * n[1 + i] - 32, 64 * n[91 + i] - 32, 2.0 * n[181 + i] - 1.0
        long, across = 2.6 + 2.2 * n[271 + i], 0.8 + 0.5 * n[100 + i]
        across_x, across_y = across * turn, -across * (1.0 - abs(turn))
        along_x, along_y = -long * (1.0 - abs(turn)), -long * turn
        bright = 0.45 + 0.0085 * i * (0.8 + 0.4 * n[150 + i])
        canvas.polygon([(x - along_x, y - along_y), (x + across_x, y + across_y), (x + along_x, y + along_y),
                        (x - across_x, y - across_y)], scaled(green, bright))
    for i in range(int(16 * max(0.0, n[370] - 0.5))):
        canvas.fill(oval(64 * n[200 + i] - 32, 64 * n[220 + i] - 32, 1.5, 1.5), HUES[int(n[371] * 8)])


def shelves(canvas, tone, n):
    """Shelves of books."""
    wood = mix(WOOD, tone, 0.6 * n[0])
    canvas.glaze([(-40, -40), (40, -40), (40, 40), (-40, 40)], scaled(wood, 0.38), 0.9, 1.0)
    high, at = 15.0 + 3.0 * n[1], 20
    for y in np.arange(-30 + high * n[2], 46, high):
        x = -32.0
        while x < 32.0 and at < 370:
            wide, tall = 1.5 + 2.4 * n[at], high * (0.55 + 0.28 * n[at + 1])
            colour = scaled(mix(HUES[int(n[at + 2] * 8)], (150, 60, 50), n[at + 1]), 0.45 + 0.5 * n[at])
            if n[at + 2] > 0.12:
                canvas.polygon([(x, y - tall), (x + wide, y - tall), (x + wide, y), (x, y)], colour)
                canvas.polygon([(x + 0.2, y - 0.8 * tall), (x + wide - 0.2, y - 0.8 * tall),
                                (x + wide - 0.2, y - 0.7 * tall), (x + 0.2, y - 0.7 * tall)], mix(colour, WHITE, 0.5))
            x, at = x + wide + 0.15, at + 2
        canvas.polygon([(-31, y), (31, y), (31, y + 1.3), (-31, y + 1.3)], wood)
        canvas.polygon([(-31, y + 1.3), (31, y + 1.3), (31, y + 1.9), (-31, y + 1.9)], scaled(wood, 0.55))


def landscape(canvas, tone, n):
    """Sky, clouds, and hills or the sea, with the light of an hour of the day."""
    x, y = canvas.grid(32)
    dusk = n[0]
    top = mix((92, 150, 222), palette(((60, 70, 130), (220, 150, 130), tone), n[1]), 0.7 * dusk)
    low = mix((214, 232, 246), (255, 206, 150), dusk)
    t = np.clip((y + 30) / (34 + 20 * n[2]), 0.0, 1.0)[:, :, None]
    canvas.lay(np.array(top) + (np.array(low) - np.array(top)) * t,
               canvas.area([(-31, -31), (31, -31), (31, 31), (-31, 31)], smooth=False))
    for i in range(5):
        cloud = oval(70 * n[10 + i] - 35, 24 * n[20 + i] - 28, 5 + 9 * n[30 + i], 1.2 + 1.8 * n[40 + i])
        canvas.glaze(cloud, mix(low, WHITE, 0.7), 0.8 * n[3], 2.0)
    for i in range(3):
        level = -6 + 9 * i + 8 * n[50 + i]
        points = [(10 * k - 40, level + 9 * (n[60 + 10 * i + k] - 0.5) * (1.0 - 0.8 * (n[4] > 0.7))) for k in range(9)]
        land = palette(((96, 136, 150), (96, 132, 96), (64, 98, 62), (150, 136, 92)), 0.33 * i + 0.33 * n[5])
        land = mix(mix((70, 120, 150), low, 0.2) if n[4] > 0.7 else land, scaled(low, 0.6), 0.3 * (2 - i) * 0.6)
        canvas.fill([(-60, 60), *points, (60, 60)], scaled(land, 0.75 + 0.3 * n[6]))


def window(canvas, tone, n):
    """A room: a window with sky in it, a curtain or a picture on the wall."""
    left, top = -28 + 34 * n[0], -26 + 6 * n[1]
    wide, high = 20 + 10 * n[2], 30 + 8 * n[3]
    frame = mix(WHITE, WOOD, 0.8 * (n[4] > 0.5))

    def box(x, y, w, h, colour):
        canvas.polygon([(x, y), (x + w, y), (x + w, y + h), (x, y + h)], colour)

    box(left - 1.4, top - 1.4, wide + 2.8, high + 2.8, scaled(frame, 0.9))
    sky = mix((150, 190, 230), palette(HUES, n[5]), 0.5 * n[6])
    box(left, top, wide, high, sky)
    for i in range(4):
        canvas.glaze(oval(left + wide * n[10 + i], top + high * (0.3 + 0.7 * n[20 + i]), 4, 5),
                     palette(((90, 130, 80), (120, 110, 96), WHITE), n[30 + i]), 0.8, 2.0,
                     canvas.area([(left, top), (left + wide, top), (left + wide, top + high), (left, top + high)],
                                 smooth=False))
    box(left + 0.5 * wide - 0.5, top, 1.0, high, frame)
    box(left, top + 0.45 * high - 0.5, wide, 1.0, frame)
    cloth, side = palette(HUES, n[7]), left - 6 if n[8] < 0.5 else left + wide - 3
    for i in range(6):
        box(side + 1.5 * i, -31, 1.5, 62, scaled(cloth, 0.62 + 0.3 * n[40 + i]))


SCENES = ((plain, 0.0), (stripes, 0.0), (checks, 0.0), (dots, 0.0), (bricks, 0.0), (lights, 1.2), (foliage, 1.4),
          (shelves, 1.0), (landscape, 1.0), (window, 1.0))      # with how far they are out of focus, in units
