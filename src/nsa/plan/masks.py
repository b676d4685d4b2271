"""Object masks inside boxes: counting, overlapping and resizing them. Masks are uint8, 0 or 1."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from nsa.plan._jit import inlined

Mask = npt.NDArray[np.uint8]


@inlined
def count(mask: Mask, y: int, x: int, height: int, width: int) -> int:
    """Set pixels of a box."""
    total = 0
    for row in range(y, y + height):
        for column in range(x, x + width):
            total += mask[row, column]
    return total


@inlined
def overlap(patch: Mask, mask: Mask, y: int, x: int, height: int, width: int) -> int:
    """Pixels set both in the patch and in the mask under it."""
    total = 0
    for row in range(height):
        for column in range(width):
            total += patch[row, column] & mask[y + row, x + column]
    return total


@inlined
def _tap(index: int, scale: float) -> tuple[int, int, int]:
    """First source pixel of an output pixel and the two 11-bit weights, as OpenCV rounds them."""
    position = np.float32((index + 0.5) * scale - 0.5)
    first = int(math.floor(position))
    fraction = position - np.float32(first)
    weight_0 = int(np.rint((np.float32(1.0) - fraction) * np.float32(2048.0)))
    weight_1 = int(np.rint(fraction * np.float32(2048.0)))
    return first, weight_0, weight_1


@inlined
def resize(
    mask: Mask, y: int, x: int, height: int, width: int, out: Mask, rows: npt.NDArray[np.int32]
) -> int:
    """Resize a box of a mask to the shape of ``out`` and count the set pixels.

    Bit for bit ``cv2.resize(box, INTER_LINEAR)`` on 0/1 bytes, which works in fixed point: 11-bit
    weights, 4 bits dropped between the passes, 16 after. A pixel is set iff it rounds to 1.

    Args:
        rows: work space, at least (4, width of ``out``): the two source rows last resized
            horizontally, then first pixel and weight of every column.
    """
    new_height, new_width = out.shape
    scale = 1.0 / (new_width / width)
    for column in range(new_width):
        first, _, weight = _tap(column, scale)
        if first < 0:
            first, weight = 0, 0
        elif first >= width - 1:
            first, weight = width - 1, 0
        rows[2, column] = x + first
        rows[3, column] = weight
    held_0 = held_1 = -1
    total = 0
    scale = 1.0 / (new_height / height)
    for row in range(new_height):
        first, weight_0, weight_1 = _tap(row, scale)
        upper = y + min(max(first, 0), height - 1)
        lower = y + min(max(first + 1, 0), height - 1)
        if upper != held_0:
            if upper == held_1:
                rows[0, :new_width] = rows[1, :new_width]
            else:
                _resize_row(mask[upper], x + width - 1, new_width, rows, rows[0])
            held_0 = upper
        if lower != held_1:
            _resize_row(mask[lower], x + width - 1, new_width, rows, rows[1])
            held_1 = lower
        for column in range(new_width):
            value = ((weight_0 * rows[0, column]) >> 16) + ((weight_1 * rows[1, column]) >> 16)
            bit = np.uint8(value >= 2)
            out[row, column] = bit
            total += bit
    return total


@inlined
def _resize_row(
    line: Mask, last: int, new_width: int, taps: npt.NDArray[np.int32], out: npt.NDArray[np.int32]
) -> None:
    for column in range(new_width):
        first, weight = taps[2, column], taps[3, column]
        following = min(first + 1, last)
        out[column] = ((2048 - weight) * line[first] + weight * line[following]) >> 4
