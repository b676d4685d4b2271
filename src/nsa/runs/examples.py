"""The test images that are shown as examples of what a detector does, small enough to be drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from torch import Tensor

from nsa.images import Sample, resize
from nsa.images.masks import shrink
from nsa.images.stream import Pixels
from nsa.report.examples import choose_examples

EXAMPLES = 8
_DRAWN = 512  # px, of the longer side: what a picture of several has room for
_PART = 160  # px of a side, where defects are a few pixels large


@dataclass(frozen=True)
class Example:
    """A test image to show, large ones at a smaller size or in part.

    Attributes:
        index: of the sample.
        image: uint8 (H, W, channels), or a tensor (channels, H, W).
        mask: uint8 0/1 (H, W).
        map: float32 (H, W).
        is_part: whether this is only a part of the image, at its own resolution.
    """

    index: int
    image: Pixels | Tensor
    mask: npt.NDArray[np.uint8]
    map: npt.NDArray[np.float32]
    is_part: bool = False


def chosen_examples(test: Sequence[Sample], scores: Sequence[float]) -> list[int]:
    """Indices of the examples, by the raw scores of all test images."""
    defects = [sample.defect for sample in test]
    return choose_examples(defects, list(scores), EXAMPLES) if test else []


def drawable(
    index: int,
    image: Pixels,
    mask: npt.NDArray[np.uint8],
    anomaly_map: npt.NDArray[np.float32],
) -> Example:
    """What is drawn of an image: all of it, smaller where need be, or the part with a small defect.

    Of a large image without a defect it is the part with the highest value of the map.
    """
    height, width = image.shape[:2]
    scale = min(1.0, _DRAWN / max(height, width))
    part = _part_to_show(mask, anomaly_map) if scale < 1 else None
    if part is not None:
        # Copies, or the whole of each would stay in memory.
        return Example(
            index, image[part].copy(), mask[part].copy(), anomaly_map[part].copy(), is_part=True
        )
    size = max(1, round(scale * height)), max(1, round(scale * width))
    return Example(index, resize(image, size), shrink(mask, size), shrink(anomaly_map, size))


def _part_to_show(
    mask: npt.NDArray[np.uint8], anomaly_map: npt.NDArray[np.float32]
) -> tuple[slice, slice] | None:
    """Rows and columns around the defect that is found best; None: it is too large for that."""
    within = np.where(mask > 0, anomaly_map, -np.inf) if mask.any() else anomaly_map
    place = np.unravel_index(int(np.argmax(within)), mask.shape)
    if mask.any():
        numbers = cv2.connectedComponents(mask, connectivity=8)[1]
        rows, columns = np.nonzero(numbers == numbers[place])
        if max(np.ptp(rows), np.ptp(columns)) >= _PART // 2:
            return None
    starts = [
        min(max(0, int(middle) - _PART // 2), max(0, side - _PART))
        for middle, side in zip(place, mask.shape, strict=True)
    ]
    return slice(starts[0], starts[0] + _PART), slice(starts[1], starts[1] + _PART)
