"""A photograph at several scales, from which turned squares are cut for the detector's small networks."""
from __future__ import annotations

import numpy as np
from PIL import Image

from tf_idinvert.alignment import quad as quads


class Views:
    """Squares of a photograph.

    Args:
        pixels: uint8 [H, W, 3], RGB, upright.
    Attributes:
        size: (width, height).
    """

    def __init__(self, pixels):
        self.size = pixels.shape[1::-1]
        self._levels = [Image.fromarray(np.ascontiguousarray(pixels))]
        while min(self._levels[-1].size) > 64:
            self._levels.append(self._levels[-1].reduce(2))

    def whole(self):
        """The quad of a square around all of the photograph."""
        length = max(self.size)
        return quads.of_square((self.size[0] - length) / 2, (self.size[1] - length) / 2, length)

    def __call__(self, quad, side):
        """What a quad shows, black where the photograph ends: float32 [side, side, 3] in [0, 1]."""
        level = int(np.clip(np.log2(max(quads.side(quad) / side, 1.0)), 0, len(self._levels) - 1))
        whole = quads.matrix(quad) / 2 ** level
        data = np.concatenate([whole[:, :2] / side, whole[:, 2:]], axis=1).ravel()
        picture = self._levels[level].transform((side, side), Image.Transform.AFFINE, tuple(data),
                                                Image.Resampling.BILINEAR)
        return np.asarray(picture, np.float32) / 255
