"""The square of a photograph that a network sees: from the points of a face, or from points of any template.

A quad is float64 [4, 2], the corners of a turned square: upper left, lower left, lower right, upper right as the crop
has them. Coordinates are x, y in pixels of the upright photograph (EXIF orientation applied), continuous: the first
pixel's centre is at 0.5, its corner at 0.
"""
from __future__ import annotations

import dataclasses

import numpy as np

from tf_idinvert.errors import InputError

UNIT = np.array([(0, 0), (0, 1), (1, 1), (1, 0)], np.float64)       # the crop's corners, in its own sides
LARGEST, SMALLEST = 8.0, 2.0        # side of a quad: at most this many times the photograph's; at least, in pixels


def ffhq(points):
    """The quad of FFHQ and CelebA-HQ networks, around a face.

    Args:
        points: [5, 2]: eye and eye, nose, mouth's corner and corner; left before right as the upright picture shows
            them. Of a face upside down they change sides with it.
    Returns:
        float64 [4, 2].
    Source: Karras et al. 2019 (StyleGAN), appendix C of Karras et al. 2018 (ProGAN): twice the distance of the eyes, or
        1.8 times that of eyes and mouth, whichever is more, to each side of a point a tenth of the way to the mouth.
    """
    left, right, _, *mouth = np.asarray(points, np.float64)
    eyes, mouth = (left + right) / 2, (mouth[0] + mouth[1]) / 2
    across, down = right - left, mouth - eyes
    x = across - _quarter_turn(down)
    x *= max(2.0 * np.hypot(*across), 1.8 * np.hypot(*down)) / max(np.hypot(*x), 1e-12)
    y, centre = _quarter_turn(x), eyes + 0.1 * down
    return np.stack([centre - x - y, centre - x + y, centre + x + y, centre + x - y])


def _quarter_turn(vector):
    """A vector turned by 90 degrees, from right to down."""
    return np.array([-vector[1], vector[0]])


def from_template(points, template):
    """The quad whose crop has `points` nearest to where the template has them.

    Args:
        points: [K, 2], K >= 2, in the photograph.
        template: [K, 2], where they are to be in the crop, in sides of it: 0 to 1.
    Returns:
        float64 [4, 2]: the corners under the similarity with the least squared distances.
    Source: Umeyama 1991, for two dimensions.
    """
    points, template = np.asarray(points, np.float64), np.asarray(template, np.float64)
    if points.shape != template.shape:
        raise InputError(f"the template has {len(template)} points, the face {len(points)}")
    there, here = points - points.mean(axis=0), template - template.mean(axis=0)
    z, w = (each[:, 0] + 1j * each[:, 1] for each in (here, there))
    turn = np.vdot(z, w) / max(np.vdot(z, z).real, 1e-12)           # scale and angle, as a complex number
    corners = UNIT - template.mean(axis=0)
    turned = (corners[:, 0] + 1j * corners[:, 1]) * turn
    return np.stack([turned.real, turned.imag], axis=1) + points.mean(axis=0)


@dataclasses.dataclass(frozen=True)
class Template:
    """Where the points of a face are to be in the crop.

    Attributes:
        points: [5, 2] as of `ffhq`, or [68, 2]; in sides of the crop, from its upper left corner.
        turned: None, or [5, 2]: by how much they move as the head turns, per `turn` of 1, where the domain's frame
            stays and the face moves in it.
    """

    points: np.ndarray
    turned: np.ndarray | None = None

    def quad(self, points):
        """The quad for a face of 5 or 68 points."""
        expected = np.asarray(self.points, np.float64)
        if len(expected) == 5:
            points = five(points)
        if self.turned is not None:
            expected = expected + turn(points) * np.asarray(self.turned, np.float64)
        return from_template(points, expected)


def turn(points):
    """How far a head is turned, from five points: the nose beside the middle of the eyes, in distances of the eyes."""
    left, right, nose = np.asarray(points, np.float64)[:3]
    across = right - left
    return float((nose - (left + right) / 2) @ across / max(across @ across, 1e-12))


def five(points):
    """The five points of `ffhq` from 5 or 68 (iBUG's order: eyes 36 to 41 and 42 to 47, nose 30, mouth 48 and 54).

    Raises:
        InputError: another number of points.
    """
    points = np.asarray(points, np.float64)
    if points.shape == (5, 2):
        return points
    if points.shape != (68, 2):
        raise InputError(f"expected 5 or 68 points [x, y] of a face, got {list(points.shape)}")
    return np.stack([points[36:42].mean(axis=0), points[42:48].mean(axis=0), points[30], points[48], points[54]])


def side(quad):
    """Side of a quad, in the photograph's pixels."""
    return float(np.hypot(*(np.asarray(quad, np.float64)[3] - np.asarray(quad, np.float64)[0])))


def angle(quad):
    """By how much the crop is turned against the photograph, in degrees, clockwise, in (-180, 180]."""
    x, y = np.asarray(quad, np.float64)[3] - np.asarray(quad, np.float64)[0]
    return float(np.degrees(np.arctan2(y, x)))


def of_square(left, top, length):
    """The quad of an upright square."""
    return np.array([left, top], np.float64) + length * UNIT


def matrix(quad):
    """[2, 3]: crop coordinates (0 to 1, 1) to the photograph's."""
    quad = np.asarray(quad, np.float64)
    return np.stack([quad[3] - quad[0], quad[1] - quad[0], quad[0]], axis=1)


def to_crop(points, quad):
    """Points of the photograph, [K, 2], in sides of the crop."""
    whole = matrix(quad)
    return np.linalg.solve(whole[:, :2], (np.asarray(points, np.float64) - whole[:, 2]).T).T


def to_photograph(points, quad):
    """Points of the crop, [K, 2] in its sides, in the photograph."""
    whole = matrix(quad)
    return np.asarray(points, np.float64) @ whole[:, :2].T + whole[:, 2]


def corner_error(quad, true):
    """Mean distance of the corners of two quads, as a share of the true one's side."""
    return float(np.hypot(*(np.asarray(quad) - np.asarray(true)).T).mean() / side(true))


def check(quad, size):
    """InputError unless this is a square of a sane length that touches a photograph of `size` (width, height)."""
    quad = np.asarray(quad, np.float64)
    if quad.shape != (4, 2) or not np.isfinite(quad).all():
        raise InputError(f"expected four corners [x, y] of a square, got {quad.tolist()}")
    length = side(quad)
    if not SMALLEST <= length <= LARGEST * max(size):
        raise InputError(f"a square of {length:.4g} pixels in a photograph of {size[0]}x{size[1]}: expected "
                         f"{SMALLEST:g} to {LARGEST * max(size):g}")
    x, y = quad[3] - quad[0], quad[1] - quad[0]
    if np.abs(y - _quarter_turn(x)).max() > 0.02 * length or np.abs(quad[2] - quad[1] - x).max() > 0.02 * length:
        raise InputError(f"corners {np.round(quad, 1).tolist()} are no square's (upper left, lower left, lower right, "
                         "upper right)")
    if (quad.max(axis=0) <= 0).any() or (quad.min(axis=0) >= size).any():
        raise InputError(f"the square {np.round(quad, 1).tolist()} lies outside the photograph of {size[0]}x{size[1]}")
