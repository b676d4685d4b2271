"""Counting, overlapping and resizing object masks, against NumPy and OpenCV."""

from __future__ import annotations

import cv2
import numba
import numpy as np
import numpy.typing as npt
import pytest

from nsa.plan import masks

Masks = npt.NDArray[np.uint8]


@numba.njit
def count(words: masks.Words, y: int, x: int, height: int, width: int) -> int:
    return masks.count(words, y, x, height, width)


@numba.njit
def has_more(words: masks.Words, y: int, x: int, height: int, width: int, limit: float) -> bool:
    return masks.has_more(words, y, x, height, width, limit)


@numba.njit
def overlaps_more(
    patch: masks.Words, words: masks.Words, y: int, x: int, height: int, width: int, limit: float
) -> bool:
    return masks.overlaps_more(patch, words, y, x, height, width, limit)


@numba.njit
def resize(
    mask: Masks, y: int, x: int, height: int, width: int, out: Masks, rows: int, columns: int
) -> int:
    return masks.resize(mask, y, x, height, width, out, rows, columns)


def words(mask: Masks) -> masks.Words:
    return masks.padded(mask).view(np.uint64)


def random_mask(rng: np.random.Generator, height: int, width: int) -> Masks:
    """Noise, blobs, a straight edge or a constant."""
    kind = rng.integers(4)
    if kind == 0:
        return (rng.random((height, width)) < rng.random()).astype(np.uint8)
    if kind == 1:
        return (cv2.GaussianBlur(rng.random((height, width)), (0, 0), 4) > 0.5).astype(np.uint8)
    if kind == 2:
        rows, columns = np.mgrid[:height, :width]
        side = rng.normal(0, 1) * (rows - height / 2) + rng.normal(0, 2) * (columns - width / 2)
        return (side > rng.normal(0, 2)).astype(np.uint8)
    return np.full((height, width), rng.integers(2), np.uint8)


@pytest.mark.parametrize("width", [1, 7, 8, 9, 63, 64, 65, 224, 3000])
def test_counts_equal_numpy(width: int) -> None:
    rng = np.random.default_rng(width)
    height = 40
    mask, patch = random_mask(rng, height, width), random_mask(rng, height, width)
    for _ in range(200):
        h, w = rng.integers(1, height + 1), rng.integers(1, width + 1)
        y, x = rng.integers(height - h + 1), rng.integers(width - w + 1)
        box = mask[y : y + h, x : x + w]
        assert count(words(mask), y, x, h, w) == box.sum()
        top = patch[:h, :w]
        common = (top & box).sum()
        for limit in (-1.0, 0.25 * h * w, box.sum() - 1.0, float(box.sum()), float(h * w)):
            assert has_more(words(mask), y, x, h, w, limit) == (box.sum() > limit)
        for limit in (-1.0, common / 4, common - 1.0, float(common), float(h * w)):
            assert overlaps_more(words(top), words(mask), y, x, h, w, limit) == (common > limit)


def test_counts_do_not_overflow_on_the_largest_images() -> None:
    mask = np.ones((8192, 8192), np.uint8)
    assert count(words(mask), 0, 0, 8192, 8192) == 8192**2
    assert not has_more(words(mask), 0, 0, 8192, 8192, 8192.0**2)
    assert overlaps_more(words(mask), words(mask), 0, 0, 8192, 8192, 8192.0**2 - 1)


def test_resize_equals_opencv() -> None:
    rng = np.random.default_rng(0)
    for case in range(1000):
        height, width, new_height, new_width = (int(v) for v in rng.integers(1, 120, 4))
        if case % 5 == 0:  # a shrinking by exactly two takes another way through OpenCV
            new_height, new_width = max(1, height // 2), max(1, width // 2)
        if case % 7 == 0:
            new_height, new_width = height, width
        mask = random_mask(rng, height + 5, width + 3)
        out = masks.padded(np.ones((new_height, new_width), np.uint8))
        total = resize(masks.padded(mask), 2, 1, height, width, out, new_height, new_width)
        box = np.ascontiguousarray(mask[2 : 2 + height, 1 : 1 + width])
        expected = cv2.resize(box, (new_width, new_height), interpolation=cv2.INTER_LINEAR)
        assert np.array_equal(out[:, :new_width], expected)
        assert total == expected.sum()
        assert not out[:, new_width : -(-new_width // 8) * 8].any()


def test_masks_of_whole_words_are_not_copied_and_others_are_padded() -> None:
    mask = np.ones((2, 5, 16), np.uint8)
    assert masks.padded(mask) is mask
    wide = masks.padded(mask[..., :11])
    assert wide.shape == (2, 5, 16)
    assert wide[..., :11].all()
    assert not wide[..., 11:].any()
    shifted = np.ones(81, np.uint8)[1:].reshape(5, 16)  # not at a multiple of eight bytes
    assert masks.padded(shifted) is not shifted


def test_resize_at_the_end_of_a_row_of_whole_words() -> None:
    for width in (1, 2, 7):
        mask = np.zeros((4, 16), np.uint8)
        mask[:, 15] = 1
        out = np.zeros((4, 24), np.uint8)
        total = resize(mask, 1, 16 - width, 3, width, out, 4, 20)
        expected = cv2.resize(np.ascontiguousarray(mask[1:, 16 - width :]), (20, 4))
        assert np.array_equal(out[:, :20], expected)
        assert total == expected.sum() > 0
