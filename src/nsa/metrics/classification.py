"""How well scores separate defective from normal: ROC, precision and recall.

All functions take image scores or pixel maps of any shape, with labels of the same shape. The
results are those of scikit-learn's functions of the same names; ranks by integer sort make them
affordable for the tens of millions of pixels of a test set.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from nsa.metrics._inputs import Floats, scores_and_labels
from nsa.metrics._ranks import Counts, order_keys, ranks, sort_keys

Array = npt.ArrayLike | torch.Tensor
Curve = npt.NDArray[np.float64]


def auroc(scores: Array, labels: Array) -> float:
    """Area under the ROC curve: the chance that a defective score exceeds a normal one.

    Args:
        scores: numbers of any shape, higher is more anomalous.
        labels: the same shape, boolean or 0 (normal) and 1 (defective).

    Returns:
        A fraction in [0, 1]; ties count one half.

    Raises:
        InputError: shapes differ, a score is NaN or infinite, or only one class occurs.
    """
    values, truth = scores_and_labels(scores, labels)
    keys = order_keys(values)
    normal, defective = sort_keys(keys[~truth]), keys[truth]
    below, equal = ranks(normal, defective)
    return (2 * int(below.sum()) + int(equal.sum())) / (2 * len(normal) * len(defective))


def average_precision(scores: Array, labels: Array) -> float:
    """Mean precision over recall: the sum of precision times the gain in recall per threshold.

    Arguments and errors as in :func:`auroc`.
    """
    values, truth = scores_and_labels(scores, labels)
    _, hits, false_alarms = _counts_per_threshold(values, truth)
    gains = np.diff(hits, prepend=0)
    return float(np.sum(gains * (hits / (hits + false_alarms))) / hits[-1])


def f1_max(scores: Array, labels: Array) -> tuple[float, float]:
    """The best F1 over all thresholds and the threshold that reaches it.

    Arguments and errors as in :func:`auroc`.

    Returns:
        F1 as a fraction, and the largest threshold with that F1: ``score >= threshold`` is
        defective.
    """
    values, truth = scores_and_labels(scores, labels)
    thresholds, hits, false_alarms = _counts_per_threshold(values, truth)
    f1 = 2 * hits / (hits[-1] + hits + false_alarms)
    best = int(np.argmax(f1))
    return float(f1[best]), float(thresholds[best])


def roc_curve(scores: Array, labels: Array) -> tuple[Curve, Curve, Curve]:
    """The ROC curve, with collinear points left out.

    Arguments and errors as in :func:`auroc`.

    Returns:
        False positive rates, true positive rates and thresholds, each (points,), from (0, 0) at an
        infinite threshold to (1, 1).
    """
    from sklearn import metrics  # slow to import, and only curves need it

    values, truth = scores_and_labels(scores, labels)
    fpr, tpr, thresholds = metrics.roc_curve(truth, values)
    return fpr, tpr, thresholds.astype(np.float64)


def _counts_per_threshold(
    values: Floats, truth: npt.NDArray[np.bool_]
) -> tuple[Floats, Counts, Counts]:
    """Every distinct defective score, descending, with the defective and normal scores >= it.

    A threshold between them only adds false alarms, so neither recall nor the best F1 needs it.
    """
    positive = np.sort(values[truth])
    first = np.flatnonzero(np.diff(positive, prepend=np.nan) != 0)
    thresholds = positive[first][::-1]
    hits = (len(positive) - first)[::-1].astype(np.int64)
    normal = sort_keys(order_keys(values[~truth]))
    below, _ = ranks(normal, order_keys(np.ascontiguousarray(thresholds)))
    return thresholds, hits, len(normal) - below
