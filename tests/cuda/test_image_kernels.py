"""The image kernels, launched on the host, against the CPU path: equal."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from cuda_cases import pictures
from host_device import HostDevice, guarded

from nsa._native.cuda import kernels, operators
from nsa._native.extension import C
from nsa._native.layout import lights_table, views
from nsa.images.augment import apply_augmentation
from nsa.images.light import relight
from nsa.images.network_input import to_network_input
from nsa.plan.augmentation import draw_augmentation
from nsa.plan.light import draw_lights
from nsa.settings.config import ImageConfig


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("rotation", [0.0, 5.0, 180.0])
def test_augmentation_equals_the_cpu(device: HostDevice, channels: int, rotation: float) -> None:
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
    table = device.memory.copy(views(augmentation, which, 7), align=8)
    for seed in (0, 1, 5):
        device.arrange(seed=seed)
        actual = kernels.augment(guarded(store), table, 64, 50)
        torch.testing.assert_close(actual.permute(0, 3, 1, 2), expected, rtol=0, atol=0)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("size", [(1, 1), (16, 16), (37, 41), (32, 51)])
@pytest.mark.parametrize("align", [1, 16])
@pytest.mark.parametrize("in_blocks", [False, True])
def test_network_input(
    device: HostDevice,
    channels: int,
    dtype: torch.dtype,
    size: tuple[int, int],
    align: int,
    in_blocks: bool,
) -> None:
    """Of images that start anywhere, which may have to be copied first, and of others."""
    random = np.random.default_rng(1)
    pixels = torch.from_numpy(pictures(random, 3, *size, channels))
    config = ImageConfig(channels=channels, size=(64, 64), center_crop=None, crop=(64, 64))
    expected = to_network_input(pixels.permute(0, 3, 1, 2), config, in_blocks=in_blocks)
    expected = expected.permute(0, 2, 3, 1)
    scale, shift = [1 / 255], [0.0]
    if channels == 3:
        pairs = list(zip((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), strict=True))
        scale = [1 / (255 * deviation) for _, deviation in pairs]
        shift = [-mean / deviation for mean, deviation in pairs]
    device.arrange(seed=3)
    launch = kernels.normalise_in_blocks if in_blocks else kernels.normalise
    actual = launch(device.memory.copy(pixels, align), scale, shift, dtype)
    # float32: a multiplication and an addition in another order; bfloat16: half a unit of 2^-8.
    tolerance = 1e-6 if dtype == torch.float32 else 2**-8
    torch.testing.assert_close(actual.float(), expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("trial", range(30))
def test_object_masks_equal_the_cpu(device: HostDevice, trial: int) -> None:
    random = np.random.default_rng(trial)
    channels = int(random.choice([1, 3]))
    images = pictures(random, 3, *random.integers(1, 300, 2), channels)
    background, threshold = random.uniform(0, 255), random.choice([0.0, 5.5, 20.0, 60.0])
    expected = np.empty(images.shape[:3], np.uint8)
    C.object_masks_cpu(images, background, threshold, expected, 1)
    device.arrange(seed=trial)
    actual = operators.object_masks(guarded(images), background, threshold)
    np.testing.assert_array_equal(actual.numpy(), expected)


@pytest.mark.parametrize("trial", range(30))
def test_another_light_equals_the_cpu(device: HostDevice, trial: int) -> None:
    random = np.random.default_rng(trial)
    channels = int(random.choice([1, 3]))
    images = pictures(random, 3, *random.integers(1, 150, 2), channels)
    most = {
        "brightness": 0.5, "contrast": 0.5, "white_balance": 0.5, "blur": 1.5, "noise": 20.0,
    }  # fmt: skip
    chosen = {name: value for name, value in most.items() if random.random() < 0.7}
    lights = draw_lights(ImageConfig(channels=channels, **{"contrast": 0.1, **chosen}), 3, trial)
    assert lights is not None
    expected = relight(torch.from_numpy(images).permute(0, 3, 1, 2), lights)
    device.arrange(seed=trial)
    actual = kernels.relight(guarded(images), device.memory.copy(lights_table(lights), align=8))
    torch.testing.assert_close(actual.permute(0, 3, 1, 2), expected, rtol=0, atol=0)
