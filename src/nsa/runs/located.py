"""Where an image is anomalous, and the picture that shows it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nsa.detectors.detector import Detector
from nsa.images.ignored import GREY
from nsa.report.annotations import annotate
from nsa.report.overlay import overlay
from nsa.report.pixels import Rgb
from nsa.runs.decisions import Decisions, pixel_threshold
from nsa.runs.regions import USUAL_QUANTILE, Region, find_regions, usual_threshold


@dataclass(frozen=True)
class Located:
    """Where an image is anomalous.

    Attributes:
        threshold: value of the map above which a pixel is.
        threshold_name: what sets it.
        mask: bool (H, W), True where a pixel is.
        regions: of the mask, those with the highest peak first.
    """

    threshold: float
    threshold_name: str
    mask: npt.NDArray[np.bool_]
    regions: list[Region]


def locate(anomaly_map: npt.NDArray[np.float32], decisions: Decisions | None) -> Located:
    """The regions of a map, float32 (H, W), above the pixel threshold.

    Where nothing sets one, it is the 0.99 quantile of the map itself, so that every image has some.
    """
    threshold, name = pixel_threshold(decisions), "pixel limit"
    if threshold is None:
        threshold, name = usual_threshold(anomaly_map), f"{USUAL_QUANTILE} quantile of this map"
    regions = find_regions(anomaly_map, threshold)
    return Located(threshold, name, anomaly_map > threshold, regions)


def draw(
    image: npt.NDArray[np.uint8],
    anomaly_map: npt.NDArray[np.float32],
    detector: Detector,
    located: Located,
) -> Rgb:
    """The heat map over the image, with its regions numbered and the scale of its colours.

    What the detector ignores in every image lies below a grey veil.

    Args:
        image: uint8 (H, W, channels).
        anomaly_map: float32 (H, W).

    Returns:
        uint8 (H + the scale's height, W, 3) RGB, see :func:`nsa.report.annotations.annotate`.
    """
    low, high = detector.map_range
    drawn = overlay(image, anomaly_map, high, low)
    if detector.ignored is not None and detector.ignored.one is not None:
        hidden = detector.ignored.one > 0
        drawn[hidden] = drawn[hidden] // 4 + np.uint8(3 * GREY // 4)
    return annotate(
        drawn, low, high, mask=located.mask,
        boxes=located.regions, threshold=located.threshold, threshold_name=located.threshold_name,
    )  # fmt: skip
