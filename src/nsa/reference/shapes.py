"""Other shapes of patches: CutPaste's rectangles and unions of ellipses (ablations C and D)."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.uint8]
Box = tuple[int, int, int, int]  # y, x, height, width


def cutpaste_boxes(rng: np.random.Generator, shape: tuple[int, int]) -> Iterator[Box]:
    """Boxes of CutPaste's area and aspect ratio, anywhere in the image."""
    while True:
        area = rng.uniform(0.02, 0.15) * shape[0] * shape[1]
        aspect = rng.uniform(0.3, 3.3)
        h = int(np.clip(np.floor(np.sqrt(area / aspect) + 0.5), 1, shape[0]))
        w = int(np.clip(np.floor(np.sqrt(area * aspect) + 0.5), 1, shape[1]))
        yield *cutpaste_place(rng, shape, h, w), h, w


def cutpaste_place(
    rng: np.random.Generator, shape: tuple[int, int], h: int, w: int
) -> tuple[int, int]:
    """Any place for the top left of a box that lies whole inside the image."""
    return int(rng.integers(shape[0] - h + 1)), int(rng.integers(shape[1] - w + 1))


def ellipses(rng: np.random.Generator, h: int, w: int, count: int = 5) -> Mask:
    """The union of random ellipses, 0 or 1, uint8 (h, w)."""
    y, x = np.mgrid[:h, :w]
    union = np.zeros((h, w), bool)
    for _ in range(count):
        centre = rng.uniform(0, (h, w)) - 0.5
        axes = rng.uniform(1, np.maximum((h / 2, w / 2), 1))
        angle = rng.uniform(0, np.pi)
        dy, dx = y - centre[0], x - centre[1]
        along = dx * np.cos(angle) + dy * np.sin(angle)
        across = -dx * np.sin(angle) + dy * np.cos(angle)
        union |= (along / axes[1]) ** 2 + (across / axes[0]) ** 2 <= 1
    return union.astype(np.uint8)


def bounding_box(mask: Mask) -> Box:
    """Of the set pixels, of which there is at least one."""
    x, y, w, h = cv2.boundingRect(mask)
    return y, x, h, w
