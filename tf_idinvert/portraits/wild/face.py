"""The face of a wild portrait: head, ears, nose, mouth, skin and its marks."""
from __future__ import annotations

import numpy as np

from tf_idinvert.portraits.canvas import curve, mix, oval, ramp, scaled, symmetric

LIP, MOUTH, BLUSH, TEETH, TONGUE = (200, 84, 86), (84, 28, 36), (232, 104, 96), (250, 246, 238), (206, 96, 100)
ROUGES = ((196, 40, 60), (150, 30, 70), (222, 96, 110), (200, 80, 50), (110, 30, 50))


def outline(sitter):
    """Return the head's outline after the turn."""
    g, w = sitter.gender, sitter.wide
    half = [(0, -20.5), (7.5 * w, -19.3), (13 * w, -13.5), (15.2 * w, -4), ((14.3 + 0.5 * g) * w, 5),
            (sitter.jaw, 0.66 * sitter.chin), (sitter.chin_wide, sitter.chin - 1.8), (0, sitter.chin)]
    return sitter.on_outline(symmetric(half))


def ears(canvas, sitter):
    sitter.look(canvas)
    tucked = 3.0 * ramp(sitter.length, 0.1, 0.4)    # under long hair
    for sign in (-1, 1):
        x, size = sign * (15.2 * sitter.wide - tucked) - 4.5 * sitter.sine, sitter.ear
        dark = 0.5 - 0.5 * sign * sitter.side * sitter.hard
        canvas.fill(oval(x, 0.6, 2.7 * size, 4.3 * size), mix(sitter.skin_colour, sitter.skin_shadow, dark))
        canvas.fill(oval(x + 0.3 * sign, 0.4, 1.5 * size, 3.0 * size), mix(sitter.skin_colour, sitter.skin_line, 0.6))
        canvas.fill(oval(x - 0.3 * sign, 1.0, 1.1 * size, 2.0 * size), mix(sitter.skin_colour, sitter.skin_shadow, 0.5))


def face(canvas, sitter):
    """Draw the lit head with blushing cheeks and hollows of the eyes; return its mask."""
    n = sitter.details("face", 200)
    mask = canvas.area(outline(sitter))
    picture = sitter.shaded(canvas, sitter.skin_colour, sitter.skin_shadow, sitter.skin_light,
                            (4.0 * sitter.sine, 0.0), (18.5, 25.0), 0.25 * n[0])
    _spots(canvas, sitter, picture, n)
    canvas.lay(picture, mask)
    canvas.grainy(mask, sitter.skin_line, 0.10 + 0.12 * sitter.age, n[1:3], "soft")
    canvas.grainy(mask, scaled(sitter.skin_shadow, 0.8), 0.10 + 0.10 * sitter.gender, n[3:5], "fine")
    marks(canvas, sitter, mask, n[5:])
    return mask


def _spots(canvas, sitter, picture, n):
    """Draw soft spots: blush, hollows of the eyes and below the cheek bones, light on forehead, chin and cheeks."""
    x, y = canvas.grid()

    def spot(colour, amount, at, rx, ry):
        (u, v), = sitter.on_face([at])
        weight = np.maximum(0.0, 1.0 - ((x - u) / rx) ** 2 - ((y - v) / ry) ** 2) ** 2
        picture[:] += (np.array(colour) - picture) * (amount * weight)[:, :, None]

    blush = mix(sitter.skin_colour, BLUSH, 0.5)
    for sign in (-1, 1):
        facing = 0.5 + 0.5 * sign * sitter.side
        red = 0.25 + 0.3 * n[10] + 0.25 * sitter.smile + 0.3 * sitter.makeup
        spot(blush, red, (8.8 * sign, 6.5 - sitter.smile), 6, 5)
        spot(sitter.skin_shadow, 0.45 + 0.2 * sitter.old, (sitter.eye_x * sign, sitter.eye_y - 1.5), 6.0, 4.8)
        spot(sitter.skin_shadow, 0.5 * n[11] * (0.5 + 0.5 * sitter.old), (10.5 * sign, 9.5), 3.5, 6)
        spot(sitter.skin_light, 0.4 * facing * sitter.hard, (9.2 * sign, 3.4), 4, 3)
    spot(sitter.skin_light, 0.35 * sitter.hard, (5 * sitter.side, -10), 8, 6)
    spot(sitter.skin_light, 0.25 * sitter.hard, (2 * sitter.side, sitter.chin - 3.2), 3, 2)
    spot(sitter.skin_shadow, 0.6, (0, sitter.chin - 5.2), 4, 1.6)


def marks(canvas, sitter, mask, n):
    """Draw wrinkles, freckles, moles and scars."""
    depth = ramp(sitter.age, 0.2, 0.95)
    lines = [symmetric([(0, y + 0.4 * n[20]), (reach / 2, y), (reach, y + 0.5)])
             for y, reach in ((-10.2, 6.5), (-12.6, 5.5), (-15.0, 4.0))]
    for s in (-1, 1):
        lines.append([(3.4 * s, 4.6), (5.6 * s, 7.2), ((6.6 + sitter.smile) * s, 11.5)])    # nose to mouth
        lines.append([(4.0 * s, 2.6), (6.4 * s, 3.6), (9.0 * s, 2.8)])  # under the eye
        lines += [[(11.2 * s, -0.8), (13.4 * s, y)] for y in (-2.4, 0.0)]   # crow's feet
        if sitter.frown > 0.3:
            lines.append([(1.1 * s, -5.0), (1.4 * s, -7.6)])
    for line in lines if depth else ():
        canvas.stroke(sitter.on_face(line), 0.9 * depth, mix(sitter.skin_shadow, sitter.skin_line, 0.6 * depth), 0.3)
    brown = mix(sitter.skin_colour, (150, 84, 50), 0.4 + 0.2 * n[0])
    for i in range(int(70 * sitter.freckles)):
        x, y = 22 * n[40 + i] - 11, 2.0 + 9 * (n[115 + i] - 0.35) - 0.02 * (22 * n[40 + i] - 11) ** 2
        size = 0.28 + 0.3 * n[110 - i]
        canvas.fill(sitter.on_face(oval(x, y, size, size)), mix(sitter.skin_colour, brown, 0.5 + 0.5 * n[60 + i]))
    if n[1] < 0.12:
        canvas.fill(sitter.on_face(oval(18 * n[2] - 9, 4 + 10 * n[3], 0.7, 0.65)), scaled(sitter.skin_line, 0.6))
    if sitter.scar:
        x, y = 16 * n[4] - 8, (-11 + 4 * n[5], 5 + 5 * n[5])[int(2 * n[6])]
        line = sitter.on_face([(x, y), (x + 1.6, y + 2.4), (x + 2.2 + 2 * n[7], y + 5.2)])
        canvas.stroke(line, 1.3, mix(sitter.skin_shadow, (190, 90, 90), 0.5))
        canvas.stroke(line, 0.6, mix(sitter.skin_light, (255, 200, 190), 0.4))


def nose(canvas, sitter, mask):
    long, wide = sitter.nose_long, (2.6 + 0.7 * sitter.gender) * sitter.nose_wide + 0.3 * sitter.old
    tip, away = 4.6 + long, -1 if sitter.side > 0 else 1
    x, y = sitter.cast(2.2)
    half = [(0, -3.5, 1), (1.0, -1.5, 1.5), (1.5, 2, 3), (wide, tip, 2), (0, tip + 1.6, 4.5)]
    shape = sitter.on_face(symmetric(half))
    fall = [(u + x * ramp(v, -4, 6), v + y * 0.5) for u, v in shape]
    canvas.glaze(fall, sitter.skin_shadow, 0.75 * sitter.hard, 0.6, mask)
    canvas.glaze(shape, sitter.skin_colour, 0.8, 0.8, mask)
    flank = [(0.2, -5, 1), (1.6, -2, 1.5), (2.0, 2, 2), (wide + 0.2, tip, 1), (0.6, tip + 1.2, 3), (0.7, 1, 3.5)]
    flank = sitter.on_face([(u * away, v, height) for u, v, height in flank])
    canvas.glaze(flank, sitter.skin_shadow, 0.35 + 0.5 * sitter.hard * abs(sitter.side), 0.5, mask)
    canvas.glaze(sitter.on_face([(-0.5 * away, -3, 2.5), (-0.2 * away, tip - 2.5, 4), (-1.0 * away, tip - 1.2, 4.5),
                                 (-1.1 * away, 0, 3)]), sitter.skin_light, 0.75, 0.4, mask)
    for sign in (-1, 1):
        nostril = [(0.7 * sign, tip + 1.3, 4), (1.6 * sign, tip + 0.7, 3), (0.85 * wide * sign, tip + 1.1, 2.2),
                   (1.2 * sign, tip + 1.75, 3.4)]
        canvas.fill(sitter.on_face(nostril), scaled(sitter.skin_line, 0.72))
        wing = [((wide - 0.5) * sign, tip - 1.6, 2), ((wide + 0.25) * sign, tip, 1.5),
                ((wide - 0.6) * sign, tip + 1.3, 2)]
        canvas.stroke(sitter.on_face(wing), 0.6, mix(sitter.skin_shadow, sitter.skin_line, 0.5))


def mouth(canvas, sitter, mask):
    """Draw the lips, and the teeth in a broad smile."""
    n = sitter.details("face", 200)
    smile, frown, opening = sitter.smile, sitter.frown, 4.6 * ramp(sitter.expression, 0.15, 1.0)
    level = sitter.mouth_y + 0.7 * sitter.nose_long
    corner_x, corner_y = (4.8 + 1.8 * smile) * sitter.mouth_wide, 11.2 - 2.1 * smile + 1.6 * frown + level
    middle = 11.5 + 0.8 * smile - 1.3 * frown - 0.25 * opening + level
    full = mix(0.9, 1.5, sitter.feminine) * (1.0 - 0.3 * sitter.old) * sitter.lip
    lips = mix(mix(sitter.skin_colour, sitter.skin_line, 0.35), LIP, 0.25 + 0.3 * sitter.feminine)
    lips = mix(lips, ROUGES[int(n[190] * 5)], 0.85 * min(1.0, 2.0 * sitter.makeup))

    def bow(y, dent=0.0):
        """Return a line from corner to corner whose middle is `y` - `dent` below the closed mouth."""
        y = middle + y
        half = [(0, y + dent), (corner_x / 3, mix(corner_y, y, 0.95)), (0.7 * corner_x, mix(corner_y, y, 0.6)),
                (corner_x, corner_y)]
        return sitter.on_face([(u, v - sitter.smirk * u / corner_x) for u, v in symmetric(half)])

    def between(upper, lower, colour):
        canvas.polygon(np.concatenate((curve(upper, False), curve(lower, False)[::-1])), colour)

    x, y = sitter.cast(0.8)
    canvas.glaze(np.add(bow(opening + 1.6 * full), (x, y + 1.0))[::-1].tolist() + bow(opening + 0.6).tolist(),
                 sitter.skin_shadow, 0.9, 0.5, mask)
    between(bow(-full, 0.45 * full), bow(opening + 1.25 * full), lips)
    between(bow(-full, 0.45 * full), bow(0), scaled(lips, 0.84, 0.76, 0.78))
    shine = bow(opening + 0.6 * full)[2:-2]
    canvas.stroke(shine, 0.5 * full, mix(lips, (255, 240, 235), 0.25 + 0.3 * sitter.makeup), 0.2)
    if opening > 0.5:
        between(bow(0), bow(opening), MOUTH)
        between(bow(0.72 * opening), bow(opening), TONGUE)
        between(bow(0), bow(0.55 * opening), mix(TEETH, (226, 206, 160), 0.5 * sitter.age * n[191]))
    canvas.stroke(bow(0), 0.8 - 0.1 * opening, scaled(mix(MOUTH, sitter.skin_line, 0.4), 0.9), taper=0.5)
