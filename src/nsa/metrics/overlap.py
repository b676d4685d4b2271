"""The per-region overlap (PRO): every defect counts the same, whatever its size."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from nsa.errors import InputError
from nsa.metrics._curves import overlap_area
from nsa.metrics._inputs import Booleans, Values, masks_and_maps
from nsa.metrics._ranks import largest_keys, order_keys, ranks, sort_keys

Curve = npt.NDArray[np.float64]


def au_pro(masks: Values, maps: Values, max_fpr: float = 0.3) -> float:
    """Area under the PRO curve up to a false positive rate, divided by that rate.

    The definition is that of the MVTec AD benchmark: a region is an 8-connected component of a
    mask, every distinct score is a threshold, PRO is the mean over regions of the share found, and
    the curve is linear between thresholds and at the limit. The result is exact.

    >>> masks = np.zeros((1, 8, 8), bool)
    >>> masks[0, 2:4, 2:4] = masks[0, 6, 6] = True  # two regions, of 4 px and 1 px
    >>> maps = np.zeros((1, 8, 8), np.float32)
    >>> maps[0, 2:4, 2:4] = 1  # finds the larger one
    >>> round(au_pro(masks, maps), 3)
    0.575

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
    return au_pros(masks, maps, (max_fpr,))[0]


def au_pros(masks: Values, maps: Values, max_fprs: Sequence[float]) -> list[float]:
    """:func:`au_pro` at several limits, for little more than the price of the largest."""
    for limit in max_fprs:
        check_limit(limit)
    truth, values = masks_and_maps(masks, maps)
    keys, flat = order_keys(values.ravel()), truth.ravel()
    weights = pixel_weights(truth)
    normals = flat.size - len(weights)
    # All that counts of a defective pixel is its rank among the normal scores above the limit.
    tail = sort_keys(largest_keys(keys, flat, int(max(max_fprs) * normals) + 1))
    below, equal = ranks(tail, keys[flat])
    above = len(tail) - below - equal
    return [overlap_area(above, equal, weights, limit * normals) for limit in max_fprs]


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


def check_limit(max_fpr: float) -> None:
    """Refuse what is no limit of a false positive rate.

    Raises:
        InputError: it is not above 0 and at most 1.
    """
    if not 0 < max_fpr <= 1:
        raise InputError(f"max_fpr must be above 0 and at most 1, got {max_fpr!r}.")


def pixel_weights(masks: Booleans) -> Curve:
    """How much each defective pixel adds to the mean overlap, in the order of ``maps[masks]``."""
    found = [region_weights(mask) for mask in masks.view(np.uint8)]
    return np.concatenate([weights for weights, _ in found]) / sum(count for _, count in found)


def region_weights(mask: npt.NDArray[np.uint8]) -> tuple[Curve, int]:
    """For each defective pixel of a mask (H, W) one over the size of its region.

    Returns:
        The weights in the order of ``map[mask]``, and the number of regions, which is their sum.
    """
    x, y, width, height = cv2.boundingRect(mask)
    if not width:
        return np.empty(0), 0
    box = np.ascontiguousarray(mask[y : y + height, x : x + width])
    count, components, stats, _ = cv2.connectedComponentsWithStats(
        box, connectivity=8, ltype=cv2.CV_32S
    )
    areas = np.maximum(stats[:, cv2.CC_STAT_AREA], 1)  # the background may be empty
    # Box and image hold the same defective pixels in the same row-major order.
    return (1 / areas)[components[box.view(np.bool_)]], count - 1
