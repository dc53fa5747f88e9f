"""A photograph to try alignment on: a wall with rendered portraits, turned this way and that."""
from __future__ import annotations

import numpy as np
from PIL import Image

from tf_idinvert.portraits import portrait

SIZE = (960, 640)
PLACES = ((200, 220, 230, -24.0), (520, 400, 280, 11.0), (800, 190, 190, 158.0))     # x, y, side, degrees clockwise


def scene(seed):
    """A wall with three held-out portraits.

    Args:
        seed: of `portrait.sample`.
    Returns:
        uint8 [640, 960, 3], RGB, and the corners of the portraits, float64 [3, 4, 2]: upper left, lower left, lower
        right, upper right, as x, y in pixels, the first pixel's corner at 0.
    """
    picture, corners = Image.fromarray(wall(SIZE, seed)), []
    for drawn, (x, y, side, degrees) in zip(portrait.sample(len(PLACES), seed, 256)[0], PLACES):
        angle = np.radians(degrees)
        turn = np.array([(np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))]) * side
        back = np.linalg.inv(turn) * 256
        data = np.concatenate([back, (128 - back @ (x, y))[:, None]], axis=1).ravel()
        layers = [Image.fromarray(drawn), Image.new("L", (256, 256), 255)]
        paper, mask = (each.transform(SIZE, Image.Transform.AFFINE, tuple(data), Image.Resampling.BICUBIC)
                       for each in layers)
        picture.paste(paper, (0, 0), mask)
        corners.append(np.array([(-0.5, -0.5), (-0.5, 0.5), (0.5, 0.5), (0.5, -0.5)]) @ turn.T + (x, y))
    return np.array(picture), np.stack(corners)


def wall(size, seed):
    """Plaster in the light of a window: uint8 [height, width, 3]."""
    rng = np.random.default_rng([seed, 7])
    width, height = size
    total = np.zeros([height, width], np.float32)
    for cell, share in ((160, 10.0), (40, 5.0), (8, 3.0), (2, 2.0)):
        small = Image.fromarray(rng.uniform(-1, 1, [height // cell + 3, width // cell + 3]).astype(np.float32))
        total += share * np.asarray(small.resize((width, height), Image.Resampling.BICUBIC))
    light = np.linspace(20, -20, width)[None, :] + np.linspace(10, -10, height)[:, None]
    tone = np.array([186, 178, 164]) * rng.uniform(0.85, 1.1, 3)
    return np.clip(tone + (total + light)[:, :, None], 0, 255).astype(np.uint8)
