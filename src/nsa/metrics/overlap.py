"""The per-region overlap (PRO): every defect counts the same, whatever its size."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from nsa.errors import InputError
from nsa.metrics._inputs import Booleans, Values, masks_and_maps
from nsa.metrics._ranks import largest_keys, order_keys, ranks, sort_keys

Curve = npt.NDArray[np.float64]


def au_pro(masks: Values, maps: Values, max_fpr: float = 0.3) -> float:
    """Area under the PRO curve up to a false positive rate, divided by that rate.

    The definition is that of the MVTec AD benchmark: a region is an 8-connected component of a
    mask, every distinct score is a threshold, PRO is the mean over regions of the share found, and
    the curve is linear between thresholds and at the limit. The result is exact.

    Args:
        masks: (N, H, W) boolean or 0 (normal) and 1 (defective).
        maps: (N, H, W) scores, higher is more anomalous.
        max_fpr: limit of the false positive rate over all normal pixels, in (0, 1].

    Returns:
        A fraction in [0, 1].

    Raises:
        InputError: shapes differ, a mask holds anything but 0 and 1, a score is NaN or infinite,
            no pixel is defective, none is normal, the maps are boolean while the masks are not, or
            ``max_fpr`` is out of range.
    """
    if not 0 < max_fpr <= 1:
        raise InputError(f"max_fpr must be above 0 and at most 1, got {max_fpr!r}.")
    truth, values = masks_and_maps(masks, maps)
    keys, flat = order_keys(values.ravel()), truth.ravel()
    weights = pixel_weights(truth)
    limit = max_fpr * (flat.size - len(weights))  # in false positives

    # The curve is a sum of one step per defective pixel, at the false positive count where that
    # pixel is found, so the area needs only its rank among the normal scores above the limit. A
    # pixel that ties with normal ones is a ramp instead of a step.
    tail = sort_keys(largest_keys(keys, flat, int(limit) + 1))
    below, equal = ranks(tail, keys[flat])
    above = len(tail) - below - equal
    ramp = np.minimum(limit - above, equal)  # the part of the ramp left of the limit
    area = limit - above - ramp + ramp * ramp / (2 * np.maximum(equal, 1))
    return float(np.sum(weights * area, where=above < limit) / limit)


def pro_curve(masks: Values, maps: Values) -> tuple[Curve, Curve]:
    """The whole PRO curve, one point per distinct score.

    Arguments and errors as in :func:`au_pro`.

    Returns:
        False positive rates and mean per-region overlaps, each (points,), ascending from (0, 0)
        to (1, 1).
    """
    truth, values = masks_and_maps(masks, maps)
    scores, flat = values.ravel(), truth.ravel()
    order = np.argsort(scores)[::-1]
    scores, flat = scores[order], flat[order]
    overlap = np.zeros(scores.size)
    overlap[truth.ravel()] = pixel_weights(truth)
    overlap = overlap[order]

    last = np.flatnonzero(np.append(scores[1:] != scores[:-1], True))  # of every tie
    fpr = np.cumsum(~flat)[last] / np.count_nonzero(~flat)
    pro = np.cumsum(overlap)[last]
    pro /= pro[-1]  # one, but for rounding
    return np.append(0.0, fpr), np.append(0.0, pro)


def pixel_weights(masks: Booleans) -> Curve:
    """How much each defective pixel adds to the mean overlap, in the order of ``maps[masks]``."""
    weights, regions = [], 0
    for mask in masks.view(np.uint8):
        x, y, width, height = cv2.boundingRect(mask)
        if width:
            box = np.ascontiguousarray(mask[y : y + height, x : x + width])
            count, components, stats, _ = cv2.connectedComponentsWithStats(
                box, connectivity=8, ltype=cv2.CV_32S
            )
            areas = np.maximum(stats[:, cv2.CC_STAT_AREA], 1)  # the background may be empty
            # Box and image hold the same defective pixels in the same row-major order.
            weights.append((1 / areas)[components[box.view(np.bool_)]])
            regions += count - 1
    return np.concatenate(weights) / regions
