"""From counts along the thresholds to the values of metrics.

The counts may be of every distinct score, or of bins of scores that count as ties.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nsa.metrics._ranks import Counts

Weights = npt.NDArray[np.float64]


def roc_area(below: Counts, equal: Counts, defective: Counts, normals: int) -> float:
    """Area under the ROC curve.

    Args:
        below, equal: (n,), normal scores below a defective one, and equal to it.
        defective: (n,), how many defective scores these are the counts of.
        normals: normal scores in all.
    """
    counted = defective.astype(np.float64)  # the products of pixels of large sets pass 2**63
    return float((counted @ below + counted @ equal / 2) / (normals * counted.sum()))


def precision_area(hits: Counts, false_alarms: Counts) -> float:
    """The sum of precision times the gain in recall.

    Args:
        hits, false_alarms: (n,), defective and normal scores that are at least a threshold, which
            descends and in the end finds every defective score.
    """
    gains = np.diff(hits, prepend=0)
    return float(np.sum(gains * (hits / (hits + false_alarms))) / hits[-1])


def best_f1(hits: Counts, false_alarms: Counts) -> tuple[float, int]:
    """The best F1 and the first threshold that has it; arguments as of :func:`precision_area`."""
    f1 = 2 * hits / (hits[-1] + hits + false_alarms)
    best = int(np.argmax(f1))
    return float(f1[best]), best


def overlap_area(above: Counts, equal: Counts, weights: Weights, limit: float) -> float:
    """Area under the PRO curve up to ``limit`` false positives, divided by ``limit``.

    The curve is a sum of one step per defective score, at the number of false positives where that
    score is found. One that ties with normal ones is a ramp instead of a step.

    Args:
        above, equal: (n,), normal scores above a defective one, and equal to it.
        weights: (n,), how much it adds to the mean overlap; their sum is 1.
    """
    ramp = np.minimum(limit - above, equal)  # the part of the ramp left of the limit
    area = limit - above - ramp + ramp * ramp / (2 * np.maximum(equal, 1))
    return float(np.sum(weights * area, where=above < limit) / limit)
