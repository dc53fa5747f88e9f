"""What the published code of multi-code inversion sets for a task, where it differs from the paper or our defaults.

    loss = mean((x - y)^2) + weight * SCALE * mean(|V(x) - V(y)|)

V is conv3_3 of torchvision's VGG16 after ReLU, of pictures resized to SIDE by nearest neighbours; x and y are degraded.
Codes and alphas move by gradient descent with rate 1. Small pictures are bilinear without antialiasing, missing pixels
grey (`tasks.degradation`).

Source: the code of Gu et al. 2020 (genforce/mganprior, commit 8f3f3d7).
"""
from __future__ import annotations

import dataclasses

FACTOR = 16             # factor of super-resolution
SIDE = 256              # side in pixels of the pictures that V sees
SCALE = 1e-3            # of V by torchvision's weights
KERAS_SCALE = SCALE / 57        # by Keras' weights, whose inputs are not divided by ImageNet's deviation, 57 of 255
OTHER_SCALE = 1.0       # of the attribute network; makes the term about as large as the pixel term, as its default does


@dataclasses.dataclass(frozen=True)
class Published:
    """Settings of a task."""

    codes: int              # N
    layer: int              # composing layer l
    steps: int
    weight: float = 1.0     # of the feature term
    composite: bool = False     # the result has the grey values of the input and only colours of the restored picture


TASKS = {"inversion": Published(30, 6, 3000), "colorize": Published(20, 4, 1500, composite=True),
         "super-resolve": Published(30, 6, 2000), "inpaint": Published(30, 4, 3000, weight=0.1)}
