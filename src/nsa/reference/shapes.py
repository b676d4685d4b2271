"""Other shapes of patches: CutPaste's rectangles and scars, unions of ellipses, and noise."""

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


def perlin(rng: np.random.Generator, h: int, w: int) -> Mask:
    """Where gradient noise on a lattice of random size exceeds 0.1: 0 or 1, uint8 (h, w)."""
    cells = [rng.choice([n for n in (1, 2, 4, 8) if n == 1 or side >= 4 * n]) for side in (h, w)]
    angle = rng.uniform(0, 2 * np.pi, (cells[0] + 1, cells[1] + 1))
    y, x = np.meshgrid(*((np.arange(m) + 0.5) / m * n for m, n in zip((h, w), cells, strict=True)),
                       indexing="ij")  # fmt: skip
    top, left = y.astype(int), x.astype(int)
    noise = np.zeros((h, w))
    for i, j in np.ndindex(2, 2):  # each corner of a pixel's cell
        dy, dx = y - top - i, x - left - j
        ramp = np.cos(angle[top + i, left + j]) * dx + np.sin(angle[top + i, left + j]) * dy
        noise += ramp * _fade(1 - np.abs(dy)) * _fade(1 - np.abs(dx))
    return (noise > 0.1).astype(np.uint8)


def _fade(t: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return t**3 * (6 * t**2 - 15 * t + 10)


def scar(rng: np.random.Generator, side: float) -> Mask:
    """A thin rectangle at any angle with a margin of 1 px, for images of that shorter side."""
    width = max(rng.uniform(2, 16) / 256 * side, 3)
    length = max(rng.uniform(10, 25) / 256 * side, 60 / width)
    angle = rng.uniform(0, np.pi)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    w, h = np.ceil(np.abs(turn).T @ (length, width)).astype(int) + 2
    centred = np.mgrid[:h, :w][::-1] - np.reshape((w - 1, h - 1), (2, 1, 1)) / 2
    along, across = np.abs(np.tensordot(turn, centred, 1))
    return np.asarray((along <= length / 2) & (across <= width / 2), np.uint8)


def bounding_box(mask: Mask) -> Box:
    """Of the set pixels, of which there is at least one."""
    x, y, w, h = cv2.boundingRect(mask)
    return y, x, h, w
