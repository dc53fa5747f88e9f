"""The 68 points of dlib, where it is installed: those by which FFHQ itself was aligned."""
from __future__ import annotations

import dataclasses

import numpy as np

from tf_idinvert.alignment import quad as quads
from tf_idinvert.alignment import warp
from tf_idinvert.errors import InputError

INSTALL = "pip install dlib-bin==20.0.1.post1 face-recognition-models==0.3.0"
SIDE = 512          # of the upright crop that dlib sees, in pixels
FACE = 140, 170, 372, 402       # where a face is in it, for a crop in which dlib's detector finds none


class DlibPoints:
    """Puts dlib's points in the place of a face's, on the crop that those make upright.

    Raises:
        InputError: it is not installed.
    """

    def __init__(self):
        try:
            import dlib
            import face_recognition_models
        except ImportError:
            raise InputError(f"dlib and its 68 points are not installed: {INSTALL} (its model is of data for research "
                             "alone)") from None
        self.rectangle, self.detector = dlib.rectangle, dlib.get_frontal_face_detector()
        self.predictor = dlib.shape_predictor(face_recognition_models.pose_predictor_model_location())

    def __call__(self, pixels, found):
        """uint8 [H, W, 3] and a `finding.Found` -> one with 68 points."""
        quad = quads.ffhq(found.five)
        crop = warp.crop(pixels, quad, SIDE)
        places = list(self.detector(crop, 0)) or [self.rectangle(*FACE)]
        shape = self.predictor(crop, max(places, key=lambda each: each.area()))
        points = np.array([(point.x + 0.5, point.y + 0.5) for point in shape.parts()]) / SIDE
        points = quads.to_photograph(points, quad)
        return dataclasses.replace(found, five=quads.five(points), points=points)
