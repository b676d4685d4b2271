"""Where an image is anomalous: connected regions of its map, and their tables."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from nsa.errors import InputError

USUAL_QUANTILE = 0.99
_STRIP = 1 << 20  # pixels that are summed up at a time, in float64


class Region(NamedTuple):
    """Connected pixels of a map above a threshold.

    Attributes:
        x, y: left column and top row of its box, in pixels from 0.
        width, height: of its box, in pixels.
        area: its pixels.
        share: of the image's pixels, in (0, 1].
        peak, mean: largest and mean value of the map in it, raw.
    """

    x: int
    y: int
    width: int
    height: int
    area: int
    share: float
    peak: float
    mean: float


def find_regions(
    anomaly_map: npt.NDArray[np.float32],
    threshold: float,
    ignored: npt.NDArray[np.bool_] | None = None,
) -> list[Region]:
    """The regions of a map above a threshold, those with the highest peak first.

    Pixels that touch at a side or a corner are of one region. NaN is above nothing.

    Args:
        anomaly_map: float32 (H, W).
        threshold: pixels above it are anomalous, compared in float32 as masks are.
        ignored: (H, W), True where a pixel is of no region, whatever its value.

    Returns:
        Regions of equal peaks are ordered by their boxes, from the top, then from the left.

    Raises:
        InputError: ``ignored`` has another shape than the map.
    """
    above = anomaly_map > threshold
    if ignored is not None:
        if ignored.shape != above.shape:
            raise InputError(
                f"ignored must have the shape of the map, {above.shape}, got {ignored.shape}."
            )
        above &= ~ignored
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(above.view(np.uint8), connectivity=8)
    peaks, sums = np.full(count, -np.inf, np.float32), np.zeros(count)
    rows = max(1, _STRIP // above.shape[1])
    for first in range(0, above.shape[0], rows):
        strip = slice(first, first + rows)
        inside = above[strip]
        of = np.asarray(labels[strip][inside], np.int32)
        values = anomaly_map[strip][inside]
        np.maximum.at(peaks, of, values)
        sums += np.bincount(of, values, count)
    x, y, width, height, area = boxes[1:].T  # 0 is what lies outside
    peaks, means = peaks[1:], sums[1:] / area
    order = np.lexsort((x, y, -peaks))
    columns = (x, y, width, height, area, area / above.size, peaks, means)
    return [*map(Region._make, zip(*(values[order].tolist() for values in columns), strict=True))]


def usual_threshold(anomaly_map: npt.NDArray[np.float32]) -> float:
    """The map's own 0.99 quantile, where nothing says which values are defective.

    A map (H, W) of one value has no pixel above it.
    """
    return float(np.quantile(anomaly_map, USUAL_QUANTILE))
