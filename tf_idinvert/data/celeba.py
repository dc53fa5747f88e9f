"""CelebA's aligned pictures as a source of `packing`: a square of 128 px around the face of each.

Source: the published StyleGAN's `create_celeba`, which takes the square around x 89, y 121 of pictures 178 x 218.
"""
from __future__ import annotations

import dataclasses
import functools
import hashlib
from pathlib import Path

from tf_idinvert.data.packing import PART, size_and_date
from tf_idinvert.errors import InputError
from tf_idinvert.files import finding, images

WIDTH, HEIGHT, SIDE = 178, 218, 128
CENTRE = 89, 121


@dataclasses.dataclass(frozen=True)
class CelebA:
    """The pictures of a folder or list, each WIDTH x HEIGHT; SIDE pixels around (cx, cy), which must lie inside."""

    path: str
    cx: int = CENTRE[0]
    cy: int = CENTRE[1]
    resolution, part = SIDE, PART

    def __post_init__(self):
        _paths.cache_clear()        # what it remembers may have changed

    def __len__(self):
        return len(_paths(self.path))

    def description(self):
        """What it is, including sizes and dates of the files, see `packing.Pictures`."""
        found = [(str(file), *size_and_date(file)) for file in _paths(self.path)]
        return {"celeba": str(Path(self.path).resolve()), "cx": self.cx, "cy": self.cy,
                "state": hashlib.sha256(repr(found).encode("utf-8", "surrogateescape")).hexdigest()}

    def label_names(self):
        return None

    def read(self, start, stop):
        """Yield (uint8 [SIDE, SIDE, 3], None) from `start` to `stop`; for a bad picture, a line that says why."""
        left, top = self.cx - SIDE // 2, self.cy - SIDE // 2
        for path in _paths(self.path)[start:stop]:
            try:
                yield _whole(path)[top:top + SIDE, left:left + SIDE], None
            except InputError as error:
                yield str(error), None


@functools.lru_cache(maxsize=1)
def _paths(path):
    return [file for _, file in finding.listing([path])]


def _whole(path):
    pixels = images.read(path)
    if pixels.shape[:2] != (HEIGHT, WIDTH):
        raise InputError(f"{path}: {pixels.shape[1]}x{pixels.shape[0]} pixels; expected {WIDTH}x{HEIGHT}, as the "
                         "aligned pictures of CelebA have")
    return pixels
