"""The points of a face: MediaPipe's face mesh on an upright square around it, and the eyelids by its iris network.

The mouth's corners are means of the mesh over squares shifted a little, and mirrored; the eyes means of the iris
network's lids over such squares. The mesh alone is off by 2 to 3 % of the aligned square's side, most of it in scale.
"""
from __future__ import annotations

import numpy as np

from tf_idinvert.alignment import quad as quads
from tf_idinvert.alignment.interpreter import Network

MESH, IRIS, POINTS = "face_landmark.tflite", "iris_landmark.tflite", 468
EYES = (33, 133), (362, 263)                # their corners, left to right in the upright picture
LIDS = (0, 13, 11, 8, 5, 3)                 # of the iris network's contour, the six points of iBUG's definition
# of the mesh, what stands for iBUG's points of the eyes; its nose and the mouth's corners
MESH_EYES = (33, 160, 158, 133, 153, 144), (362, 385, 387, 263, 373, 380)
NOSE, MOUTH = 1, (61, 291)
OVAL = (10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152, 148, 176, 149,
        150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109)
AROUND, EYE_AROUND = 1.5, 2.3               # side of the squares, in extents of the face, in widths of an eye
SHIFTS = ((0, 0), (0.03, 0.02), (-0.03, 0.02), (0.02, -0.03), (-0.02, -0.03))   # of the squares, in their sides


class Mesh:
    """Finds the points of a face in a square around it."""

    def __init__(self):
        self.network, self.iris = Network(MESH), Network(IRIS)

    def points(self, views, quad, mirrored=False):
        """The mesh's points in a photograph, float64 [468, 2], and the share to which it is one, 0 to 1."""
        picture = views(quad, self.network.side)
        found, score = self.network(picture[:, ::-1] if mirrored else picture)
        points = found.reshape(POINTS, 3)[:, :2].astype(np.float64) / self.network.side
        if mirrored:
            points[:, 0] = 1 - points[:, 0]
        return quads.to_photograph(points, quad), float(1 / (1 + np.exp(-np.clip(score.ravel()[0], -80, 80))))

    def precise(self, views, points):
        """The five points of `quad.ffhq`, [5, 2], and points around the face, [K, 2].

        Args:
            views: Views.
            points: [468, 2] of the mesh.
        """
        around, plain, fives = square_of(points), [], []
        for shift in SHIFTS:
            shifted = around + quads.matrix(around)[:, :2] @ shift
            plain.append(self.points(views, shifted)[0])
            fives += [five_of(plain[-1]), five_of(self.points(views, shifted, mirrored=True)[0])[[1, 0, 2, 4, 3]]]
        mean, five = np.mean(plain, axis=0), np.mean(fives, axis=0)
        for i, corners in enumerate(mean[list(eye)] for eye in EYES):
            width = np.hypot(*(corners[1] - corners[0]))
            five[i] = np.mean([self.lids(views, corners + width * np.array(shift), mirrored=i == 1)
                               for shift in SHIFTS], axis=(0, 1))
        return five, mean[list(OVAL)]

    def lids(self, views, corners, mirrored):
        """Six points of an eye [6, 2] by the network of the iris, left to right as of `MESH_EYES`."""
        across = corners[1] - corners[0]
        quad = square_along(corners.mean(axis=0), across, EYE_AROUND)
        picture = views(quad, self.iris.side)
        contour = self.iris(picture[:, ::-1] if mirrored else picture)[0].reshape(71, 3)[list(LIDS), :2]
        points = contour.astype(np.float64) / self.iris.side
        if mirrored:
            points[:, 0] = 1 - points[:, 0]
        return quads.to_photograph(points, quad)


def five_of(points):
    """The five points of `quad.ffhq` by the mesh alone."""
    return np.stack([*(points[list(eye)].mean(axis=0) for eye in MESH_EYES), points[NOSE], *points[list(MOUTH)]])


def square_along(centre, across, times):
    """The quad around a centre, its upper side along `across` and so many times as long."""
    x = np.asarray(across) * times
    y = np.array([-x[1], x[0]])
    return quads.UNIT[:, :1] * x + quads.UNIT[:, 1:] * y + centre - (x + y) / 2


def square_of(points, times=AROUND):
    """The quad around a mesh, turned as its eyes are."""
    across = points[EYES[1][1]] - points[EYES[0][0]]
    x = across / max(np.hypot(*across), 1e-9)
    turn = np.stack([x, (-x[1], x[0])])
    turned = points @ turn.T
    low, high = turned.min(axis=0), turned.max(axis=0)
    return square_along((low + high) / 2 @ turn, x, (high - low).max() * times)
