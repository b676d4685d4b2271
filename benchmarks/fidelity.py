"""How exactly ``nsa.seamless_clone`` repeats ``cv2.seamlessClone``, over random cases."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from common import texture_images

import nsa


@dataclass(frozen=True)
class Fidelity:
    """Differences in grey levels, over the boxes that the clone solves for."""

    mask: str
    gradients: str
    cases: int
    identical: float  # share of equal values inside the boxes
    largest: int  # difference anywhere in an image


def measure(cases: int, seed: int = 0) -> list[Fidelity]:
    """Compare ``cases`` clones, an equal share of each kind of mask and gradient."""
    kinds = [(mask, mixed) for mask in ("full", "ellipse", "grey") for mixed in (False, True)]
    return [
        _compare(mask, mixed, -(-cases // len(kinds)), np.random.default_rng((seed, index)))
        for index, (mask, mixed) in enumerate(kinds)
    ]


def _compare(kind: str, mixed: bool, cases: int, rng: np.random.Generator) -> Fidelity:
    images = texture_images(16, 256, seed=int(rng.integers(2**31)))
    equal = total = largest = 0
    for _ in range(cases):
        source, destination = images[rng.choice(len(images), 2, replace=False)]
        if rng.random() < 0.5:  # strong edges at the border of the patch
            destination = 255 - destination
        width, height = (int(side) for side in rng.integers(12, 211, 2))
        x, y = int(rng.integers(257 - width)), int(rng.integers(257 - height))
        patch = np.ascontiguousarray(source[:height, :width])
        center = (x + width // 2, y + height // 2)
        mask = _mask(kind, height, width, rng)
        flag = cv2.MIXED_CLONE if mixed else cv2.NORMAL_CLONE
        # Newer OpenCV overwrites the mask it is given.
        expected = cv2.seamlessClone(patch, destination, mask.copy(), center, flag)
        result = nsa.seamless_clone(patch, destination, mask, center, flag)
        difference = np.abs(result.astype(int) - expected)
        # The outer two pixels are frame and border values; counting them would flatter.
        box = difference[y + 2 : y + height - 2, x + 2 : x + width - 2]
        equal, total = equal + np.count_nonzero(box == 0), total + box.size
        largest = max(largest, int(difference.max()))
    return Fidelity(kind, "mixed" if mixed else "source", cases, float(equal / total), largest)


def _mask(kind: str, height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    if kind == "full":
        return np.full((height, width), 255, np.uint8)
    mask = np.zeros((height, width), np.uint8)
    axes = (width // 2, height // 2)
    cv2.ellipse(mask, axes, axes, 0, 0, 360, 255, -1)
    if kind == "grey":
        mask[mask > 0] = rng.integers(1, 256)
    return mask
