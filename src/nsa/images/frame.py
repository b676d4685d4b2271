"""Images in their own shape: scaled until they fit into a frame, and padded to fill it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nsa.images.decode import Pixels
from nsa.settings.config import Resize

Shape = tuple[int, int]


class Window(NamedTuple):
    """Where an image lies in a frame, px."""

    top: int
    left: int
    height: int
    width: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Its rows and columns."""
        return slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)


def scaled_shape(shape: Shape, size: Shape, way: Resize) -> Shape:
    """The (height, width) to which an image is scaled.

    Args:
        shape: its own height and width, px.
        size: the frame's.
        way: ``"stretch"``: that of the frame; ``"fit"``: as large as fits into it, with the sides'
            ratio kept but for rounding; ``"none"``: its own.
    """
    if way == "stretch":
        return size
    if way == "none":
        return shape
    factor = min(size[0] / shape[0], size[1] / shape[1])
    height, width = (max(1, round(factor * side)) for side in shape)
    return min(height, size[0]), min(width, size[1])


def window_in(size: Shape, shape: Shape) -> Window:
    """The place of an image of ``shape``, which fits, in the middle of a frame of ``size``."""
    return Window((size[0] - shape[0]) // 2, (size[1] - shape[1]) // 2, *shape)


def fill(image: Pixels, size: Shape, beyond: int = 0) -> Pixels:
    """An image in the middle of a frame, with its reflection around it.

    Args:
        image: (H, W, C), not larger than the frame.
        size: (height, width) of the frame.
        beyond: pixels of reflection beyond each side of the frame.

    Returns:
        (height + 2 * beyond, width + 2 * beyond, C); the image itself where it fills the frame.
    """
    window = window_in(size, image.shape[:2])
    before = window.top + beyond, window.left + beyond
    ends = size[0] + 2 * beyond, size[1] + 2 * beyond
    pads = [(b, e - b - side) for b, e, side in zip(before, ends, image.shape[:2], strict=True)]
    return np.pad(image, (*pads, (0, 0)), "reflect") if np.any(pads) else image
