"""Rotation, crop and flip as one lookup per output pixel, on the host.

Only the pixels of the final crop are computed and nothing is stored in between. Any number of
threads may gather at once: the lookup holds no lock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numba
import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from nsa.images.augment import Augmentation

Pixels = npt.NDArray[np.uint8]


def gather(store: Pixels, image: npt.NDArray[np.int64], augmentation: Augmentation) -> Pixels:
    """Augmented copies of some of the stored images; black outside.

    Args:
        store: (N, height, width, channels), contiguous, 1 or 3 channels.
        image: (n,) which of them each set of parameters applies to, every one in [0, N).
        augmentation: n sets of parameters, with crops inside the images.

    Returns:
        (n, *augmentation.crop, channels).
    """
    result = np.empty((len(image), *augmentation.crop, store.shape[3]), dtype=np.uint8)
    radians = np.deg2rad(augmentation.angle.astype(np.float64))
    _gather(
        store, image, np.cos(radians), np.sin(radians),
        augmentation.top, augmentation.left, augmentation.flip, result,
    )  # fmt: skip
    return result


@numba.njit(nogil=True, cache=True)
def _gather(
    store: Pixels,
    images: npt.NDArray[np.int64],
    cosine: npt.NDArray[np.float64],
    sine: npt.NDArray[np.float64],
    top: npt.NDArray[np.int32],
    left: npt.NDArray[np.int32],
    flip: npt.NDArray[np.uint8],
    result: Pixels,
) -> None:
    """``result[n, y, x] = store[images[n]]`` at the pixel that rotation, crop and flip put there.

    Both are (N, height, width, channels) with 1 or 3 channels.
    """
    count, rows, columns, channels = result.shape
    height, width = store.shape[1], store.shape[2]
    one = 1 << 20  # positions are fixed-point, so that a row is additions and shifts
    for n in range(count):
        step_x, step_y = round(cosine[n] * one), round(sine[n] * one)
        image = store[images[n]].reshape(-1)
        angle_is_zero = sine[n] == 0.0 and cosine[n] == 1.0
        dx = left[n] + 0.5 - width / 2
        for y in range(rows):
            row = result[n, rows - 1 - y if flip[n] else y].reshape(-1)
            if angle_is_zero:
                begin = ((top[n] + y) * width + left[n]) * channels
                row[:] = image[begin : begin + columns * channels]
                continue
            dy = top[n] + y + 0.5 - height / 2
            x0 = round((cosine[n] * dx - sine[n] * dy + width / 2) * one)
            y0 = round((sine[n] * dx + cosine[n] * dy + height / 2) * one)
            # The image is convex: what lies inside it is one run, found from both ends.
            first, last = 0, columns
            while first < last and not (
                0 <= (x0 + first * step_x) >> 20 < width
                and 0 <= (y0 + first * step_y) >> 20 < height
            ):
                first += 1
            while first < last and not (
                0 <= (x0 + (last - 1) * step_x) >> 20 < width
                and 0 <= (y0 + (last - 1) * step_y) >> 20 < height
            ):
                last -= 1
            row[: first * channels] = 0
            row[last * channels :] = 0
            # Unsigned indices spare numba its test for negative ones: half the time.
            into = np.uint64(first * channels)
            for x in range(first, last):
                pixel = ((y0 + x * step_y) >> 20) * width + ((x0 + x * step_x) >> 20)
                start = np.uint64(pixel * channels)
                row[into] = image[start]
                if channels == 3:
                    row[into + np.uint64(1)] = image[start + np.uint64(1)]
                    row[into + np.uint64(2)] = image[start + np.uint64(2)]
                into += np.uint64(channels)
