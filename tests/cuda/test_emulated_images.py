"""The image kernels' code, run on the host, against the CPU path: equal."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from cuda_cases import pictures

from nsa._cuda.kernels import VIEW, background_range, views
from nsa._native import C
from nsa.config import ImageConfig
from nsa.images.augment import apply_augmentation, draw_augmentation, to_network_input


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("rotation", [0.0, 5.0, 180.0])
def test_augmentation_equals_the_cpu(channels: int, rotation: float) -> None:
    random = np.random.default_rng(channels)
    config = ImageConfig(
        channels=channels,
        size=(90, 101),
        center_crop=(80, 70),
        crop=(64, 50),
        rotation=rotation,
        vertical_flip=True,
    )
    store = pictures(random, 7, 90, 101, channels)
    which = random.integers(0, 7, 20)
    augmentation = draw_augmentation(config, 20, seed=3)
    expected = apply_augmentation(torch.from_numpy(store[which]).permute(0, 3, 1, 2), augmentation)
    table = views(augmentation, which, 7)
    actual = torch.full((20, 64, 50, channels), 7, dtype=torch.uint8)
    C.emulate_augment(
        store.ctypes.data, store.shape, table.data_ptr(), 20, 64, 50, actual.data_ptr(), 33, 5
    )
    torch.testing.assert_close(actual.permute(0, 3, 1, 2), expected, rtol=0, atol=0)


def test_a_view_is_as_wide_as_in_the_kernel() -> None:
    assert VIEW.itemsize == 40  # two doubles, an int64 and four int32


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("size", [(1, 1), (16, 16), (37, 41)])
def test_network_input(channels: int, dtype: torch.dtype, size: tuple[int, int]) -> None:
    random = np.random.default_rng(1)
    pixels = torch.from_numpy(pictures(random, 3, *size, channels))
    aligned = torch.empty(pixels.numel() + 16, dtype=torch.uint8)
    start = -aligned.data_ptr() % 16
    images = aligned[start : start + pixels.numel()].view(pixels.shape).copy_(pixels)
    config = ImageConfig(channels=channels, size=(64, 64), center_crop=None, crop=(64, 64))
    expected = to_network_input(images.permute(0, 3, 1, 2), config).permute(0, 2, 3, 1)
    scale, shift = [1 / 255] * 3, [0.0] * 3
    if channels == 3:
        pairs = list(zip((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), strict=True))
        scale = [1 / (255 * deviation) for _, deviation in pairs]
        shift = [-mean / deviation for mean, deviation in pairs]
    storage = torch.full((pixels.numel() + 16,), torch.nan, dtype=dtype)
    first = (-storage.data_ptr() % 16) // dtype.itemsize
    out = storage[first : first + pixels.numel()].view(pixels.shape)
    C.emulate_normalise(
        images.data_ptr(),
        images.numel(),
        channels,
        scale,
        shift,
        dtype == torch.bfloat16,
        out.data_ptr(),
        32,
        1,
    )
    # float32: a multiplication and an addition in another order; bfloat16: half a unit of 2^-8.
    tolerance = 1e-6 if dtype == torch.float32 else 2**-8
    torch.testing.assert_close(out.float(), expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("trial", range(30))
def test_object_masks_equal_the_cpu(trial: int) -> None:
    random = np.random.default_rng(trial)
    channels = int(random.choice([1, 3]))
    images = pictures(random, 3, *random.integers(1, 300, 2), channels)
    background, threshold = random.uniform(0, 255), random.choice([0.0, 5.5, 20.0, 60.0])
    expected = np.empty(images.shape[:3], np.uint8)
    C.object_masks_cpu(images, background, threshold, expected, 1)
    actual = np.full_like(expected, 9)
    low, extent = background_range(channels, background, threshold)
    C.emulate_object_mask(images, low, extent, trial, actual)
    np.testing.assert_array_equal(actual, expected)
