"""The patch resize equals cv2.resize bit for bit."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from nsa._native.extension import C


def check(rng, size, new_size, channels):
    pixels = rng.integers(0, 256, (*size, channels), dtype=np.uint8)
    height, width = new_size
    opencv = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_LINEAR)
    ours = C.resize(pixels[None], width, height)[0]
    np.testing.assert_array_equal(ours, opencv.reshape(ours.shape), f"{size} to {new_size}")


@pytest.mark.parametrize("channels", [1, 3])
def test_random_sizes(channels):
    rng = np.random.default_rng(channels)
    for _ in range(600):
        size, new_size = (tuple(int(n) for n in rng.integers(1, 120, 2)) for _ in range(2))
        check(rng, size, new_size, channels)


@pytest.mark.parametrize("channels", [1, 3])
def test_special_sizes(channels):
    rng = np.random.default_rng(channels)
    for height, width in [(1, 1), (1, 9), (13, 1), (8, 8), (33, 20), (64, 3)]:
        check(rng, (height, width), (height, width), channels)
        check(rng, (2 * height, 2 * width), (height, width), channels)  # averaged by OpenCV
        check(rng, (2 * height, width), (height, width), channels)
        check(rng, (height, 2 * width), (height, width), channels)
        check(rng, (height, width), (2 * height, 2 * width), channels)
        check(rng, (height, width), (3 * height, 1), channels)
        check(rng, (4 * height, 4 * width), (height, width), channels)


def test_every_pair_of_sides_up_to_24():
    rng = np.random.default_rng(0)
    for before in range(1, 25):
        for after in range(1, 25):
            check(rng, (before, 5), (after, 7), 3)
            check(rng, (5, before), (7, after), 3)
