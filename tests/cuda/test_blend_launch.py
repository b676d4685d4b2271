"""How the blending kernel is launched: one launch a plan, its threads, what a block takes on."""

from __future__ import annotations

import numpy as np
import pytest
from cuda_cases import (
    EXACT,
    H200_SHARED,
    MODES,
    Bytes,
    blend_on_cpu,
    largest_difference,
    pictures,
    random_plan,
)
from host_device import HostDevice, blend

from nsa.plan.table import Plan


def box(image: int, width: int, height: int, turn: int = 0) -> list[int]:
    """A plan row that blends the whole of image 1 into the whole of an image."""
    size = [width, height]
    return [image, 1, 0, 0, *size, *size, 0, 0, 0, 0, *size, 0, 0, -1, -1, turn, 0]


def plan_of(*rows: list[int]) -> Plan:
    factors = np.linspace(1.0, 0.3, len(rows), dtype=np.float32)
    return Plan(np.array(rows, np.int32), factors, np.zeros(0, np.uint8))


def scene(count: int, width: int, height: int, channels: int = 3) -> Bytes:
    return pictures(np.random.default_rng([count, width, channels]), count, height, width, channels)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("channels", [1, 3])
def test_all_rounds_are_one_launch_and_follow_one_another(
    device: HostDevice, mode: str, channels: int
) -> None:
    images = scene(3, 40, 30, channels)
    plan = plan_of(*(box(image, 40, 30, turn) for turn in range(5) for image in (0, 2)))
    for multiprocessors, seed in ((2, 3), (100, 4)):
        device.arrange(multiprocessors=multiprocessors, seed=seed)
        expected = blend_on_cpu(images, images, plan, mode)
        actual = blend(images, images, plan, mode)
        # A grey level of an early round is not more in a later one, which blends it again.
        assert largest_difference(actual, expected) <= (0 if mode in EXACT else 1)
        (launch,) = device.launches()
        assert launch.blocks == 3 * (channels if multiprocessors > 3 else 1)


@pytest.mark.usefixtures("device")
@pytest.mark.parametrize("mode", MODES)
def test_an_image_may_have_two_patches_in_a_round(mode: str) -> None:
    """No method draws such plans, but the CPU takes them."""
    images = scene(2, 40, 30)
    plan = plan_of(box(0, 30, 30), box(0, 40, 20), box(1, 9, 9))
    expected = blend_on_cpu(images, images, plan, mode)
    assert largest_difference(blend(images, images, plan, mode), expected) <= 1


@pytest.mark.parametrize(
    ("count", "multiprocessors", "shared", "threads"),
    [
        (3, 9, H200_SHARED, 512),  # a block a multiprocessor has it for itself
        (3, 8, H200_SHARED, 256),
        (6, 8, H200_SHARED, 256),  # three: their registers do not allow more
        (9, 8, H200_SHARED, 128),
        (9, 8, 30_000, 256),  # shared memory of a block, which holds the boxes of two
        (9, 8, 20_000, 512),
    ],
)
def test_few_blocks_have_many_threads(
    device: HostDevice, count: int, multiprocessors: int, shared: int, threads: int
) -> None:
    images = scene(count, 48, 40)
    plan = plan_of(*(box(image, 48, 40) for image in range(count)))
    device.arrange(multiprocessors=multiprocessors, shared_memory=shared)
    actual = blend(images, images, plan, "source", channels_together=1)
    assert largest_difference(actual, blend_on_cpu(images, images, plan, "source")) <= 1
    assert [launch.threads for launch in device.launches()] == [threads]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("channels", [1, 3])
def test_channels_together_or_apart_give_the_same(
    device: HostDevice, mode: str, channels: int
) -> None:
    random = np.random.default_rng([channels, MODES.index(mode)])
    images, sources = scene(5, 61, 47, channels), scene(4, 40, 52, channels)
    plan = random_plan(random, 4, (47, 61), (52, 40), rounds=4, masks=True)
    apart = blend(images[:4], sources, plan, mode, channels_together=1)
    device.arrange(seed=7)
    together = blend(images[:4], sources, plan, mode, channels_together=channels)
    np.testing.assert_array_equal(together, apart)


@pytest.mark.parametrize("mode", MODES)
def test_boxes_of_all_sizes_share_a_workspace(
    device: HostDevice, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two blocks, each with its part, take the images with large boxes in turn."""
    images = scene(5, 64, 50)
    rows = [
        box(image, 64 - 9 * turn, 50 - 8 * turn, turn) for turn in range(3) for image in (0, 2, 4)
    ]
    plan = plan_of(box(1, 30, 25), *rows)
    expected = blend_on_cpu(images, images, plan, mode)
    whole = blend(images, images, plan, mode)
    shared = 700 if mode in EXACT else 15_000
    device.arrange(shared_memory=shared, seed=5)
    monkeypatch.setattr("nsa._native.cuda.kernels._WORKSPACE", 60_000 if shared > 700 else 2_000)
    actual = blend(images, images, plan, mode)
    np.testing.assert_array_equal(actual, whole)
    assert largest_difference(actual, expected) <= 1
    large, small = device.launches()
    assert (large.blocks, large.threads) == (2, 256)
    assert small.blocks == 6  # of the other two images, a channel each


def test_no_patches_no_launch(device: HostDevice) -> None:
    images = scene(2, 20, 20)
    empty = Plan(np.zeros((0, 20), np.int32), np.zeros(0, np.float32), np.zeros(0, np.uint8))
    np.testing.assert_array_equal(blend(images, images, empty, "source"), images)
    assert not device.launches()


def test_a_refused_launch_names_kernel_rows_and_rounds(
    device: HostDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = scene(2, 120, 110)
    plan = plan_of(box(0, 120, 110), box(1, 120, 110), box(0, 120, 110, 1))
    other = device.native.device_limits()
    monkeypatch.setattr("nsa._native.cuda.plan.device_limits", lambda _device: other)
    device.arrange(shared_memory=60_000)  # less than the device has that the plan was made for
    message = "blend_images could not be started for rows 0 to 2 of the plan, rounds 0 to 1: "
    with pytest.raises(RuntimeError, match=message):
        blend(images, images, plan, "source")
