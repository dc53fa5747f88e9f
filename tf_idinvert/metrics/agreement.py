"""Agreement of scores with known attributes of pictures."""
from __future__ import annotations

import dataclasses

import numpy as np

from tf_idinvert.errors import InputError


def agreement(predicted, true, binary):
    """Return the agreement of predictions with the truth per attribute: accuracy if binary, else R^2.

    Args:
        predicted, true: {name: [N]}; binary attributes are probabilities.
        binary: names of the binary attributes.
    Returns:
        {name: float}, at most 1.
    """
    result = {}
    for name, p in predicted.items():
        p, t = np.asarray(p, "float64"), np.asarray(true[name], "float64")
        result[name] = float(np.mean((p > 0.5) == (t > 0.5)) if name in binary else
                             1 - np.mean((p - t) ** 2) / np.var(t))
    return result


@dataclasses.dataclass(frozen=True)
class PrecisionRecall:
    """Precision-recall curve: points [T + 1], ordered by rising threshold [T], and the average precision in [0, 1]."""

    precision: np.ndarray
    recall: np.ndarray
    thresholds: np.ndarray
    average_precision: float


def precision_recall(scores, labels):
    """Return the precision-recall curve of scores (Zhu et al. 2020, Fig. 3), computed by scikit-learn.

    Args:
        scores: [N]; a high score predicts that the attribute is present.
        labels: [N]; True or 1 if it is present.
    Returns:
        PrecisionRecall. Random scores have an average precision of about the share of True labels.
    Raises:
        InputError: shapes do not fit, scores are not finite, or all labels are equal.
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
