"""How well scores of pictures agree with known attributes."""
from __future__ import annotations

import dataclasses

import numpy as np

from tf_idinvert.errors import InputError


def agreement(predicted, true, binary):
    """How well attributes are told, as a number for each: share of right answers if binary, else R^2.

    Args:
        predicted, true: {name: [N]}, a binary attribute as a probability.
        binary: names of the binary attributes.
    Returns:
        {name: float}, 1 at best.
    """
    result = {}
    for name, p in predicted.items():
        p, t = np.asarray(p, "float64"), np.asarray(true[name], "float64")
        result[name] = float(np.mean((p > 0.5) == (t > 0.5)) if name in binary else
                             1 - np.mean((p - t) ** 2) / np.var(t))
    return result


@dataclasses.dataclass(frozen=True)
class PrecisionRecall:
    """Points [T + 1] of the curve, by rising threshold [T], and the area under it as average precision, 0 to 1."""

    precision: np.ndarray
    recall: np.ndarray
    thresholds: np.ndarray
    average_precision: float


def precision_recall(scores, labels):
    """How well scores tell who has an attribute (Zhu et al. 2020, Fig. 3), by scikit-learn.

    Args:
        scores: [N], high where the attribute is thought to be present.
        labels: [N], True or 1 where it is.
    Returns:
        PrecisionRecall. Chance gives an average precision of about the share of True labels.
    """
    from sklearn.metrics import average_precision_score, precision_recall_curve
    scores, labels = np.asarray(scores, np.float64), np.asarray(labels).astype(bool)
    if scores.ndim != 1 or scores.shape != labels.shape or not np.isfinite(scores).all():
        raise InputError(f"expected finite scores [N] and as many labels, got {list(scores.shape)} and "
                         f"{list(labels.shape)}")
    if labels.all() or not labels.any():
        raise InputError(f"precision and recall need labels of both kinds; all {len(labels)} are alike")
    curve = precision_recall_curve(labels, scores)
    return PrecisionRecall(*curve, float(average_precision_score(labels, scores)))
