"""Edited crops back into their photograph, at its full size, under a soft mask.

The difference of the edited picture and its reconstruction before the edit is added, so that without an edit the
photograph keeps its bits; or the crop takes the photograph's place, its colours matched to those around the seam.
"""
from __future__ import annotations

import dataclasses

import numpy as np
from PIL import Image, ImageDraw
from scipy.ndimage import distance_transform_edt, gaussian_filter

from tf_idinvert.alignment import warp
from tf_idinvert.files import images

MODES = ("difference", "replace")
GROW, FEATHER = 0.2, 0.12       # in sides of the crop
FADE = 0.25                     # sigma within which colours at the seam are matched, in sides of the crop


@dataclasses.dataclass(frozen=True)
class Patch:
    """A crop that goes back into a photograph.

    Attributes:
        quad: [4, 2], where it lies.
        edited: float32 [R, R, 3] in [-1, 1].
        before: the same picture without the edit, or None; 'difference' needs it.
        mask: float32 [R, R], 1 where the edit is seen, 0 where the photograph is.
    """

    quad: np.ndarray
    edited: np.ndarray
    mask: np.ndarray
    before: np.ndarray | None = None


def mask_of(outline, resolution, grow=GROW, feather=FEATHER):
    """A soft mask: the hull of the points, grown, its rim faded within it; the whole crop where there are no points.

    Args:
        outline: [K, 2], points of the face in sides of the crop, or none.
        resolution: R.
        grow: by how much the hull is grown, in sides of the crop.
        feather: width of the fade, in sides of the crop, >= 0.
    Returns:
        float32 [R, R] in [0, 1], 0 at the crop's edge unless the feather is 0.
    """
    inside = np.ones([resolution, resolution], bool)
    if len(outline) >= 3:
        picture = Image.new("L", (resolution, resolution))
        ImageDraw.Draw(picture).polygon([tuple(point) for point in _hull(outline) * resolution - 0.5], fill=1)
        far = distance_transform_edt(np.asarray(picture) == 0)
        inside = far <= (grow + feather / 2) * resolution
    return faded(inside, feather)


def faded(inside, feather=FEATHER):
    """float32 [R, R]: 1 inside a region [R, R], falling smoothly to 0 at its rim, over `feather` sides of the crop."""
    if not feather:
        return inside.astype(np.float32)
    near = distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1] - 0.5
    share = np.clip(near / max(feather * len(inside), 1), 0, 1)
    return (share * share * (3 - 2 * share)).astype(np.float32)


def _hull(points):
    """The corners of the convex hull of points [K, 2], in order."""
    from scipy.spatial import ConvexHull, QhullError
    points = np.asarray(points, np.float64)
    try:
        return points[ConvexHull(points).vertices]
    except QhullError:          # all on a line
        return points


def paste(photograph, patches, mode="difference"):
    """Change a photograph where its patches lie, one after the other; only the pixels within their quads are touched.

    Args:
        photograph: `files.photographs.Photograph` or `Frame`.
        patches: iterable of Patch.
        mode: one of MODES.
    """
    for patch in patches:
        box = warp.box_in(patch.quad, photograph.size)
        if box[0] >= box[2] or box[1] >= box[3]:
            continue
        photograph.add(box, difference(patch, box) if mode == "difference"
                       else replacement(photograph, patch, box))


def difference(patch, box):
    """What an edit adds to the pixels of a box: float32 [h, w, 3]."""
    change = (np.asarray(patch.edited, np.float32) - patch.before) * patch.mask[:, :, None]
    return warp.place(change, patch.quad, box)


def replacement(photograph, patch, box):
    """What is to be added to the pixels of a box so that the edited picture is there: float32 [h, w, 3]."""
    there = photograph.read(box)
    crop = _crop_of(there, patch.quad - np.array(box[:2]), len(patch.mask))
    new = warp.place(np.dstack([_matched(patch, crop), np.ones_like(patch.mask), patch.mask]), patch.quad, box)
    colours = new[:, :, :3] / np.maximum(new[:, :, 3:4], 0.5)       # at the quad's rim
    return (colours - there) * np.clip(new[:, :, 4:], 0, 1)


def _crop_of(colours, quad, resolution):
    """The crop of a quad from colours [h, w, 3] in [-1, 1]: float32 [R, R, 3]."""
    pixels = np.clip(np.rint((colours + 1) * 127.5), 0, 255).astype(np.uint8)
    return warp.crop(pixels, quad, resolution).astype(np.float32) / 127.5 - 1


def _matched(patch, crop):
    """The edited picture with the photograph's colours at the seam, and less and less of them away from it."""
    seam = (4 * patch.mask * (1 - patch.mask))[:, :, None]
    sigma = FADE * len(patch.mask)
    weight = gaussian_filter(seam, [sigma, sigma, 0])
    if weight.max() < 1e-6:
        return patch.edited
    shift = gaussian_filter((crop - patch.edited) * seam, [sigma, sigma, 0]) / np.maximum(weight, 1e-6)
    return np.clip(patch.edited + shift, -1, 1).astype(np.float32)


class Frame:
    """Pixels uint8 [H, W, 3] in memory as `paste` changes them, rounded once, at the end."""

    def __init__(self, pixels):
        self.size, self.given = pixels.shape[1::-1], pixels
        self.change = np.zeros(pixels.shape, "float32")

    def read(self, box):
        left, top, right, bottom = box
        return images.to_float(self.given[top:bottom, left:right])

    def add(self, box, change):
        left, top, right, bottom = box
        self.change[top:bottom, left:right] += change

    def pixels(self):
        """uint8 [H, W, 3]; the same bits where nothing was added."""
        return np.clip(np.rint(self.given + 127.5 * self.change), 0, 255).astype(np.uint8)
