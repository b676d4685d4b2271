"""Object masks equal NumPy and OpenCV."""

import cv2
import numpy as np
import pytest
import torch

from nsa._native.extension import C
from nsa.errors import InputError
from nsa.plan import object_masks

SIZES = [(1, 1), (1, 30), (30, 1), (6, 6), (7, 15), (64, 65), (33, 130)]


def reference(pixels, background, threshold):
    far = np.abs(pixels.mean(axis=-1) - background) > threshold
    median = [cv2.medianBlur(mask.astype(np.uint8), 7) for mask in far]
    return np.stack(median).reshape(len(pixels), 1, *pixels.shape[1:3])


def tensor(pixels):
    return torch.from_numpy(pixels).permute(0, 3, 1, 2)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_equals_the_definition_on_random_images(size, channels):
    rng = np.random.default_rng([*size, channels])
    for _ in range(12):
        pixels = rng.integers(0, 256, (2, *size, channels), dtype=np.uint8)
        background, threshold = rng.uniform(0, 255), rng.uniform(0, 128)
        if rng.random() < 0.5:  # whole and thirds, where pixels lie on the limit
            background, threshold = round(background), round(3 * threshold) / 3
        ours = object_masks(tensor(pixels), background, threshold)
        assert ours.dtype == torch.uint8
        np.testing.assert_array_equal(ours.numpy(), reference(pixels, background, threshold))


@pytest.mark.parametrize(("background", "threshold"), [(300, 20), (100, -1), (-5.5, 5.5), (0, 0)])
def test_equals_the_definition_on_random_images_for_odd_limits(background, threshold):
    pixels = np.random.default_rng(3).integers(0, 3, (1, 20, 20, 3), dtype=np.uint8)
    ours = object_masks(tensor(pixels), background, threshold)
    np.testing.assert_array_equal(ours.numpy(), reference(pixels, background, threshold))


@pytest.mark.parametrize("channels", [1, 3])
def test_the_range_of_background_sums_holds_all_that_are_near_and_no_other(channels):
    rng = np.random.default_rng(channels)
    sums = np.arange(255 * channels + 1)
    found = 0
    for _ in range(400):
        background, threshold = rng.uniform(-30, 290), rng.choice([-1, 0, 0.5, 20, 60, 400])
        if rng.random() < 0.5:  # sums on the limit
            background, threshold = round(3 * background) / 3, round(3 * threshold) / 3
        low, extent = C.background_range(channels, background, threshold)
        near = np.abs(sums / channels - background) <= threshold
        np.testing.assert_array_equal((sums >= low) & (sums <= low + extent), near)
        assert extent >= 0 or extent == -1
        found += extent > 0
    assert found > 50


@pytest.mark.parametrize("share", [10 / 49, 24 / 49, 25 / 49, 40 / 49])
def test_a_pixel_needs_more_than_half_of_its_square(share):
    pixels = np.zeros(49, np.uint8)
    pixels[: round(share * 49)] = 255
    centre = object_masks(torch.from_numpy(pixels).reshape(1, 1, 7, 7), 0, 20)[0, 0, 3, 3]
    assert centre.item() == (share > 0.5)


def test_threads_do_not_change_a_bit():
    images = torch.randint(0, 256, (5, 3, 40, 50), dtype=torch.uint8)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = object_masks(images, 128, 20)
        torch.set_num_threads(3)
        three = object_masks(images, 128, 20)
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(one, three)


def test_an_empty_batch():
    assert object_masks(torch.zeros(0, 3, 8, 8, dtype=torch.uint8), 0, 20).shape == (0, 1, 8, 8)


def test_operator_is_traceable():
    images = torch.randint(0, 256, (2, 9, 10, 3), dtype=torch.uint8)
    torch.library.opcheck(torch.ops.nsa.object_masks.default, (images, 128.0, 20.0))


@pytest.mark.parametrize(
    ("images", "background", "message"),
    [
        (torch.zeros(1, 3, 8, 8), 0, "images must be a uint8 tensor"),
        (torch.zeros(3, 8, 8, dtype=torch.uint8), 0, "images must be a uint8 tensor"),
        (torch.zeros(1, 3, 0, 8, dtype=torch.uint8), 0, "at least one pixel"),
        (torch.zeros(1, 3, 8, 8, dtype=torch.uint8), float("inf"), "must be finite"),
    ],
)
def test_bad_arguments_are_named(images, background, message):
    with pytest.raises(InputError, match=message):
        object_masks(images, background, 20)
