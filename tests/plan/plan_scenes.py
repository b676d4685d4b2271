"""Object masks of the kinds that categories have."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Masks = npt.NDArray[np.uint8]


def disks(count: int, height: int, width: int) -> Masks:
    """A large ellipse that moves from image to image, like a bottle from above."""
    y, x = np.mgrid[:height, :width]
    masks = [
        ((y - height / 2 - i % 5) / height) ** 2 + ((x - width / 2 + i % 7) / width) ** 2 < 0.18
        for i in range(count)
    ]
    return np.array(masks, np.uint8).reshape(count, height, width)


def bars(count: int, height: int, width: int) -> Masks:
    """A ragged bar along the diagonal, like a screw: most places hold little of it."""
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:height, :width]
    offsets = rng.integers(-height // 8, height // 8, count)
    ragged = rng.integers(0, 4, (count, height, width))
    return np.array(
        [np.abs(y - x - d) < height // 9 - r for d, r in zip(offsets, ragged, strict=True)],
        np.uint8,
    ).reshape(count, height, width)
