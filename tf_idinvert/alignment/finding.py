"""Faces of a photograph, the largest first: found by the detector, their points by the mesh."""
from __future__ import annotations

import dataclasses

import numpy as np

from tf_idinvert.alignment.detector import SCORE, Detector, distinct
from tf_idinvert.alignment.landmarks import Mesh, square_of
from tf_idinvert.alignment.views import Views
from tf_idinvert.errors import InputError

SMALLEST, OF_PHOTOGRAPH = 40, 25    # pixels of the aligned square; or this part of the photograph's longer side
AROUND = 1.5                        # first look of the mesh, in sides of the detector's box


@dataclasses.dataclass(frozen=True)
class Found:
    """A face: five points [5, 2] as `quad.ffhq` takes them, points around it [K, 2], and how sure it is one, 0 to 1."""

    five: np.ndarray
    outline: np.ndarray
    score: float
    points: np.ndarray | None = None        # all that were given, where a file gave 68

    @property
    def centre(self):
        return self.five.mean(axis=0)

    @property
    def side(self):
        """Extent of the face, in pixels."""
        around = self.outline if len(self.outline) else self.five
        return float((around.max(axis=0) - around.min(axis=0)).max())


class Finder:
    """Finds faces, upright to upside down.

    Args:
        score: least score of detector and mesh, 0 to 1.
        smallest: side of the smallest aligned square, in pixels; None: 40, or a 25th of the photograph's longer side.
    """

    def __init__(self, score=SCORE, smallest=None):
        self.detector, self.mesh, self.smallest = Detector(score), Mesh(), smallest

    def __call__(self, pixels):
        """uint8 [H, W, 3], RGB, upright -> list of Found, the largest first."""
        views = Views(pixels)
        found = [self._looked_at(views, each) for each in
                 self.detector(views, self.smallest or max(SMALLEST, max(views.size) / OF_PHOTOGRAPH))]
        return sorted(distinct([each for each in found if each is not None]), key=lambda each: -each.side)

    def _looked_at(self, views, candidate):
        """The face of a candidate, or None where the mesh sees none."""
        points, _ = self.mesh.points(views, candidate.quad(AROUND))
        points, share = self.mesh.points(views, square_of(points))
        if share < self.detector.score or not np.isfinite(points).all():
            return None
        return Found(*self.mesh.precise(views, points), min(candidate.score, share))


def taken(found, which):
    """Those of the faces, the largest first, that are asked for: 'all', 'largest', or the number of one, from 1."""
    if which == "all":
        return found
    number = 1 if which == "largest" else int(which)
    if found and number > len(found):
        raise InputError(f"has {len(found)} face{'s' * (len(found) > 1)}, face {number} was asked for")
    return found[number - 1:number]
