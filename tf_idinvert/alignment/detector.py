"""Where faces are in a photograph: BlazeFace on squares of it, upright and upside down.

The network bears about 90 degrees to either side, and faces of a tenth of its picture. So it sees the whole photograph,
and overlapping squares in which the smallest faces that are wanted are large enough, twice each.
"""
from __future__ import annotations

import dataclasses

import numpy as np

from tf_idinvert.alignment import quad as quads
from tf_idinvert.alignment.interpreter import Network

FILE = "face_detection_back.tflite"
STRIDES = ((16, 2), (32, 6))        # pixels between anchors, and how many stand at one place
SCORE = 0.5
VIEW = 10                           # side of a square, in sides of the smallest face
TILE_STEP, ONE_FACE = 0.6, 0.5


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A face as the detector gives it: its centre [2], side and score, and the line of its eyes [2, 2]; in pixels."""

    centre: np.ndarray
    side: float
    eyes: np.ndarray
    score: float

    def quad(self, scale):
        """A square around it, `scale` times its side, turned as its eyes are."""
        x = self.eyes[1] - self.eyes[0]
        x = x / max(np.hypot(*x), 1e-9) * self.side * scale
        y = np.array([-x[1], x[0]])
        return quads.UNIT[:, :1] * x + quads.UNIT[:, 1:] * y + self.centre - (x + y) / 2


def anchors(side=256):
    """Places to which the network's boxes are relative, in sides of its picture: float32 [896, 2]."""
    found = []
    for stride, count in STRIDES:
        at = (np.arange(side // stride) + 0.5) / (side // stride)
        y, x = np.meshgrid(at, at, indexing="ij")
        found.append(np.repeat(np.stack([x.ravel(), y.ravel()], axis=1), count, axis=0))
    return np.concatenate(found).astype(np.float32)


class Detector:
    """BlazeFace (Bazarevsky et al. 2019), its variant for 256 pixels.

    Args:
        score: least score of a face, 0 to 1.
    """

    def __init__(self, score=SCORE):
        self.network, self.score = Network(FILE), score
        self.anchors = anchors(self.network.side)

    def __call__(self, views, smallest):
        """Candidates in a photograph, the best first.

        Args:
            views: Views.
            smallest: side of the smallest faces looked for, in pixels.
        """
        found = [each for quad in squares(views, smallest) for half in (quad, quad[[2, 3, 0, 1]])
                 for each in self.in_view(views, half)]
        return distinct(found)

    def in_view(self, views, quad):
        """Candidates in a quad of a photograph."""
        boxes, scores = self.network(2 * views(quad, self.network.side) - 1)
        scores = 1 / (1 + np.exp(-np.clip(scores[:, 0], -80, 80)))
        good = scores >= self.score
        values = boxes[good].reshape(-1, 8, 2) / self.network.side
        values[:, [0, 2, 3, 4, 5, 6, 7]] += self.anchors[good][:, None]
        found = []
        for group in _groups(values, scores[good]):
            weights = scores[good][group]
            mean = np.average(values[group], axis=0, weights=weights)
            points = quads.to_photograph(mean[[0, 2, 3]], quad)
            found.append(Candidate(points[0], float(mean[1].max() * quads.side(quad)), points[1:],
                                   float(weights.max())))
        return found


def squares(views, smallest):
    """Quads of the squares that are looked at: all of the photograph, and tiles."""
    yield views.whole()
    (width, height), length = views.size, VIEW * smallest
    while length < max(views.size) / 1.25:
        counts = [max(int(np.ceil((extent - length) / (TILE_STEP * length))) + 1, 1) for extent in (width, height)]
        for y in np.linspace(0, height - length, counts[1]) if counts[1] > 1 else [(height - length) / 2]:
            for x in np.linspace(0, width - length, counts[0]) if counts[0] > 1 else [(width - length) / 2]:
                yield quads.of_square(x, y, length)
        length *= 2.5


def _groups(values, scores, overlap=0.3):
    """Indices of the boxes that are of one face, group by group, the best first."""
    left = list(np.argsort(-scores, kind="stable"))
    centres, sizes = values[:, 0], values[:, 1]
    while left:
        best = left[0]
        low = np.maximum(centres[left] - sizes[left] / 2, centres[best] - sizes[best] / 2)
        high = np.minimum(centres[left] + sizes[left] / 2, centres[best] + sizes[best] / 2)
        shared = np.prod(np.clip(high - low, 0, None), axis=1)
        union = np.prod(sizes[left], axis=1) + np.prod(sizes[best]) - shared
        same = shared > overlap * union
        same[0] = True
        yield [i for i, one in zip(left, same) if one]
        left = [i for i, one in zip(left, same) if not one]


def distinct(faces):
    """Faces of which no two stand at one place, the best score first; each has `centre`, `side` and `score`."""
    kept = []
    for face in sorted(faces, key=lambda each: -each.score):
        if all(np.hypot(*(face.centre - other.centre)) > ONE_FACE * max(face.side, other.side) for other in kept):
            kept.append(face)
    return kept
