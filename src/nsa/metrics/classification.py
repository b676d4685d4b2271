"""How well scores separate defective from normal: ROC, precision and recall.

All functions take labels of any shape, and then image scores or pixel maps of the same shape: the
truth comes first everywhere in :mod:`nsa.metrics`, as in scikit-learn, whose function
:func:`roc_curve` shares its name with. (Torchmetrics and anomalib have it the other way round;
scores in the place of labels are refused.) The results are scikit-learn's; ranks by integer sort
make them affordable for the tens of millions of pixels of a test set.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nsa.metrics._curves import best_f1, precision_area, roc_area
from nsa.metrics._inputs import Booleans, Floats, Values, labels_and_scores
from nsa.metrics._ranks import Counts, order_keys, ranks, sort_keys

Curve = npt.NDArray[np.float64]


def auroc(labels: Values, scores: Values) -> float:
    """Area under the ROC curve: the chance that a defective score exceeds a normal one.

    >>> auroc([0, 0, 1, 1], [0.1, 0.4, 0.3, 0.9])
    0.75

    Args:
        labels: of any shape, boolean or 0 (normal) and 1 (defective).
        scores: numbers of the same shape, higher is more anomalous.

    Returns:
        A fraction in [0, 1]; ties count one half.

    Raises:
        InputError: shapes differ, a label is neither 0 nor 1, a score is NaN or infinite, only one
            class occurs, or the scores are boolean while the labels are not.
    """
    truth, values = labels_and_scores(labels, scores)
    keys = order_keys(values)
    normal, defective = sort_keys(keys[~truth]), keys[truth]
    below, equal = ranks(normal, defective)
    return roc_area(below, equal, np.ones_like(below), len(normal))


def average_precision(labels: Values, scores: Values) -> float:
    """Mean precision over recall: the sum of precision times the gain in recall per threshold.

    Arguments and errors as in :func:`auroc`.
    """
    truth, values = labels_and_scores(labels, scores)
    _, hits, false_alarms = _counts_per_threshold(truth, values)
    return precision_area(hits, false_alarms)


def f1_max(labels: Values, scores: Values) -> tuple[float, float]:
    """The best F1 over all thresholds and the threshold that reaches it.

    Arguments and errors as in :func:`auroc`.

    Returns:
        F1 as a fraction, and the largest threshold with that F1: ``score >= threshold`` is
        defective.
    """
    truth, values = labels_and_scores(labels, scores)
    thresholds, hits, false_alarms = _counts_per_threshold(truth, values)
    f1, best = best_f1(hits, false_alarms)
    return f1, float(thresholds[best])


def f1_at(labels: Values, scores: Values, threshold: float) -> float:
    """F1 where what is *above* the threshold is called defective, as by a working point.

    Arguments and errors as in :func:`auroc`.

    Returns:
        A fraction: 2 TP / (2 TP + FP + FN), over all of the scores.
    """
    truth, values = labels_and_scores(labels, scores)
    found = values > np.float64(threshold)  # a number of Python would be rounded to float32
    hits = np.count_nonzero(found & truth)
    return 2 * hits / (np.count_nonzero(found) + np.count_nonzero(truth))


def roc_curve(labels: Values, scores: Values) -> tuple[Curve, Curve, Curve]:
    """The ROC curve, with collinear points left out.

    Arguments and errors as in :func:`auroc`.

    Returns:
        False positive rates, true positive rates and thresholds, each (points,), from (0, 0) at an
        infinite threshold to (1, 1).
    """
    from sklearn import metrics  # slow to import, and only curves need it

    truth, values = labels_and_scores(labels, scores)
    fpr, tpr, thresholds = metrics.roc_curve(truth, values)
    return fpr, tpr, thresholds.astype(np.float64)


def _counts_per_threshold(truth: Booleans, values: Floats) -> tuple[Floats, Counts, Counts]:
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
