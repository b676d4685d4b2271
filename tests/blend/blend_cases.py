"""Random images, masks and clones, and the same clones by OpenCV."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

# Those that this OpenCV knows: they are younger than the oldest that nsa works with.
_NAMES = ("NORMAL_CLONE_WIDE", "MIXED_CLONE_WIDE", "MONOCHROME_TRANSFER_WIDE")
WIDE = tuple(getattr(cv2, name) for name in _NAMES if hasattr(cv2, name))
FLAGS = (cv2.NORMAL_CLONE, cv2.MIXED_CLONE, cv2.MONOCHROME_TRANSFER, *WIDE)
SMALLEST = 7  # a box with a side below this is left as it is


def image(rng: np.random.Generator, height: int, width: int, channels: int) -> np.ndarray:
    """A smooth image with noise, uint8 (height, width, channels), or (height, width) if grey."""
    coarse = rng.normal(size=(height // 8 + 2, width // 8 + 2, channels)).astype(np.float32)
    smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    noise = rng.normal(size=(height, width, channels)) * rng.choice([1, 5, 20])
    values = smooth.reshape(height, width, channels) * 50 + 120 + noise
    pixels = np.clip(values, 0, 255).astype(np.uint8)
    return pixels if channels == 3 else pixels[..., 0].copy()


def mask(rng: np.random.Generator, kind: str, height: int, width: int) -> np.ndarray:
    """A full, elliptical or grey mask, uint8 (height, width)."""
    if kind == "full":
        return np.full((height, width), 255, np.uint8)
    if kind == "ellipse":
        drawn = np.zeros((height, width), np.uint8)
        axes = (max(1, width // 2 - 1), max(1, int(height * rng.uniform(0.25, 0.5))))
        angle = float(rng.uniform(0, 180))
        return cv2.ellipse(drawn, (width // 2, height // 2), axes, angle, 0, 360, 255, -1)
    values = cv2.GaussianBlur(rng.uniform(0, 255, (height, width)), (0, 0), 4)
    return np.clip(values * rng.uniform(0.5, 1.5), 0, 255).astype(np.uint8)


def box_of(
    drawn: np.ndarray, center: tuple[int, int], flags: int = cv2.NORMAL_CLONE
) -> tuple[int, int, int, int]:
    """Left, top, width and height of where OpenCV puts the mask's bounding box."""
    inner = drawn.copy()
    inner[[0, -1]] = 0
    inner[:, [0, -1]] = 0
    x, y, width, height = cv2.boundingRect(inner)
    if flags in WIDE:
        return (
            center[0] - drawn.shape[1] // 2 + x,
            center[1] - drawn.shape[0] // 2 + y,
            width,
            height,
        )
    return center[0] - width // 2, center[1] - height // 2, width, height


@dataclass(frozen=True)
class Clone:
    """One call of a seamless clone; ``box`` is what it may change."""

    source: np.ndarray
    destination: np.ndarray
    mask: np.ndarray
    center: tuple[int, int]
    flags: int
    box: tuple[int, int, int, int]

    def opencv(self) -> np.ndarray:
        colour = [np.repeat(x[..., None], 3, 2) if x.ndim == 2 else x for x in self.images]
        # OpenCV overwrites the mask from 4.11 on.
        cloned = cv2.seamlessClone(*colour, self.mask.copy(), self.center, self.flags)
        return cloned[..., 0] if self.source.ndim == 2 else cloned

    @property
    def images(self) -> tuple[np.ndarray, np.ndarray]:
        return self.source, self.destination


def clones(seed: int, count: int, kind: str, largest: int) -> Iterator[Clone]:
    """Random cases that OpenCV accepts; every fourth touches a border of the destination."""
    rng = np.random.default_rng(seed)
    made = 0
    while made < count:
        width, height = rng.integers(5, largest + 1, 2)
        drawn = mask(rng, kind, height, width)
        if made % 2:  # a bounding box off the middle
            drawn[: rng.integers(0, height // 2), :] = 0
            drawn[:, rng.integers(width // 2 + 1, width + 1) :] = 0
        flags = FLAGS[made // 2 % len(FLAGS)]
        _, _, box_width, box_height = box_of(drawn, (0, 0))
        if min(box_width, box_height) < 3:
            continue
        room_x, room_y = rng.integers(0, 30, 2)
        left, top = int(rng.integers(0, room_x + 1)), int(rng.integers(0, room_y + 1))
        if made % 4 == 0:
            left, top = (0, int(room_y)) if made % 8 else (int(room_x), 0)
        back_x, back_y, _, _ = box_of(drawn, (0, 0), flags)
        center = (left - back_x, top - back_y)
        channels = 1 if made % 3 == 0 else 3
        yield Clone(
            image(rng, height, width, channels),
            image(rng, box_height + room_y, box_width + room_x, channels),
            drawn,
            center,
            flags,
            box_of(drawn, center, flags),
        )
        made += 1
