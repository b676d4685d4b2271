"""Rotated crops by the native kernels against the fixed-point formula in NumPy: equal."""

from __future__ import annotations

import numpy as np
import pytest
from turns import random_turns

from nsa.errors import InputError
from nsa.images.gather import Pixels, gather
from nsa.plan.augmentation import Augmentation


def formula(store: Pixels, image: np.ndarray, turns: Augmentation) -> Pixels:
    height, width, channels = store.shape[1:]
    rows, columns = turns.crop
    result = np.zeros((len(image), rows, columns, channels), np.uint8)
    for n, angle in enumerate(turns.angle.astype(np.float64)):
        cosine, sine = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
        dx = turns.left[n] + 0.5 - width / 2
        dy = (turns.top[n] + np.arange(rows) + 0.5 - height / 2)[:, None]
        x = np.arange(columns) * np.rint(cosine * 2**20).astype(np.int64)
        y = np.arange(columns) * np.rint(sine * 2**20).astype(np.int64)
        x = x + np.rint((cosine * dx - sine * dy + width / 2) * 2**20).astype(np.int64)
        y = y + np.rint((sine * dx + cosine * dy + height / 2) * 2**20).astype(np.int64)
        x, y = x >> 20, y >> 20
        inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
        result[n][inside] = store[image[n]][y[inside], x[inside]]
        if turns.flip[n]:
            result[n] = result[n][::-1].copy()
    return result


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("trial", range(40))
def test_equals_the_formula(channels: int, trial: int) -> None:
    random = np.random.default_rng((trial, channels))
    size = tuple(int(side) for side in random.integers(1, 150, 2))
    store = random.integers(1, 256, (3, *size, channels), dtype=np.uint8)
    image = random.integers(0, 3, 20)
    turns = random_turns(random, size, len(image))
    expected = formula(store, image, turns)
    for threads in (1, 2):
        np.testing.assert_array_equal(gather(store, image, turns, threads), expected)


def test_every_angle_of_a_circle() -> None:
    random = np.random.default_rng(1)
    store = random.integers(1, 256, (1, 61, 83, 1), dtype=np.uint8)
    angle = np.arange(-180, 180, 0.5, dtype=np.float32)
    zeros = np.zeros(len(angle), np.int32)
    turns = Augmentation(angle, zeros, zeros, zeros.astype(np.uint8), (61, 83))
    image = zeros.astype(np.int64)
    np.testing.assert_array_equal(gather(store, image, turns), formula(store, image, turns))


def test_an_image_that_is_not_stored_is_refused() -> None:
    zeros = np.zeros(1, np.int32)
    turns = Augmentation(zeros.astype(np.float32), zeros, zeros, zeros.astype(np.uint8), (4, 4))
    with pytest.raises(InputError, match="image numbers must be from 0 to 1"):
        gather(np.zeros((2, 8, 8, 3), np.uint8), np.array([2]), turns)


@pytest.mark.parametrize("angle", [np.nan, np.inf, -np.inf])
def test_angles_must_be_finite(angle: float) -> None:
    """Rows of anything but a rotation would be read anywhere."""
    store = np.zeros((1, 20, 30, 3), np.uint8)
    zeros = np.zeros(1, np.int32)
    turns = Augmentation(np.array([angle], np.float32), zeros, zeros, np.zeros(1, np.uint8), (9, 9))
    with pytest.raises(InputError, match="angle"):
        gather(store, np.zeros(1, np.int64), turns)
