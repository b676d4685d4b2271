"""From a pixel map to an image score by connected components (the paper's CCA)."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
import numpy.typing as npt

from nsa.errors import InputError


def component_scores(maps: npt.ArrayLike, area: int) -> npt.NDArray[np.float64]:
    """The largest threshold at which an image still counts as defective.

    At a pixel threshold t an image is defective if the pixels with ``map >= t`` have a connected
    component (8 neighbours) of at least ``area`` pixels. Lowering t only lets components grow, so
    one number per image, the largest such t, gives the whole ROC curve.

    Args:
        maps: (N, H, W), higher is more anomalous.
        area: pixels of the smallest component that counts, see :func:`smallest_area`.

    Returns:
        float64 (N,).

    Raises:
        InputError: ``area`` is not from 1 to H * W, or ``maps`` has another number of dimensions.
    """
    values = np.asarray(maps)
    if values.ndim != 3:
        raise InputError(f"maps must have the shape (N, H, W), got {values.shape}.")
    if not 1 <= area <= values[0].size:
        raise InputError(f"area must be from 1 to {values[0].size} pixels, got {area!r}.")
    return np.array([_highest_threshold(single, area) for single in values], dtype=np.float64)


def smallest_area(masks: Iterable[npt.ArrayLike]) -> int:
    """Pixels of the smallest connected anomaly in the test set's masks (each (H, W), non-zero is
    defective), which the paper hands to the autoencoder.

    Raises:
        InputError: no mask has a defective pixel.
    """
    areas = [area for mask in masks for area in _areas(np.asarray(mask) != 0)]
    if not areas:
        raise InputError("No mask has a defective pixel, so there is no smallest anomaly.")
    return int(min(areas))


def _areas(binary: npt.NDArray[np.bool_]) -> npt.NDArray[np.int32]:
    _, _, stats, _ = cv2.connectedComponentsWithStats(binary.astype(np.uint8), connectivity=8)
    return np.asarray(stats[1:, cv2.CC_STAT_AREA], np.int32)  # row 0 is the background


def _highest_threshold(values: npt.NDArray[np.generic], area: int) -> float:
    levels = np.unique(values)
    low, high = 0, len(levels) - 1  # at the lowest level everything is one component
    while low < high:
        middle = (low + high + 1) // 2
        if _areas(np.asarray(values >= levels[middle])).max(initial=0) >= area:
            low = middle
        else:
            high = middle - 1
    return float(levels[low])
