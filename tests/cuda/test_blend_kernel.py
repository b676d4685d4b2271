"""The blending kernel, launched on the host, against the CPU path: within one grey level."""

from __future__ import annotations

import numpy as np
import pytest
from cuda_cases import (
    EXACT,
    MODES,
    blend_on_cpu,
    largest_difference,
    pictures,
    random_plan,
)
from host_device import HostDevice, blend

from nsa._native.extension import C
from nsa.plan.table import Plan

NO_SHARED = 64  # bytes, so that every box works in device memory


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("trial", range(14))
def test_agrees_with_the_cpu_in_any_order_of_threads(
    device: HostDevice, mode: str, trial: int
) -> None:
    """24 random patches a trial and mode: 1,344 cases."""
    random = np.random.default_rng([trial, MODES.index(mode)])
    channels = int(random.choice([1, 3]))
    size, source_size = random.integers(16, 110, 2), random.integers(16, 90, 2)
    images = pictures(random, 8, *size, channels)
    sources = pictures(random, 8, *source_size, channels)
    plan = random_plan(random, 8, tuple(size), tuple(source_size), rounds=4, masks=trial % 2 == 1)

    expected = blend_on_cpu(images, sources, plan, mode)
    actual = blend(images, sources, plan, mode)
    exact = mode in EXACT
    assert largest_difference(actual, expected) <= (0 if exact else 1)
    # At least 99 % of what was blended is the same grey level.
    changed = expected != images
    assert changed.any()
    assert (actual != expected).sum() <= 0.01 * changed.sum()
    # Threads of a phase may run in any order, and the route must not matter.
    device.arrange(seed=1, multiprocessors=1)
    backwards = blend(images, sources, plan, mode)
    device.arrange(seed=trial + 2, shared_memory=NO_SHARED)
    shuffled = blend(images, sources, plan, mode)
    np.testing.assert_array_equal(backwards, actual)
    np.testing.assert_array_equal(shuffled, actual)


@pytest.mark.usefixtures("device")
@pytest.mark.parametrize("mode", ["source", "mixed"])
@pytest.mark.parametrize("shape", ["square", "tall", "wide"])
def test_every_size_up_to_254(mode: str, shape: str) -> None:
    random = np.random.default_rng(5)
    for first in range(1, 255, 32):
        sides = np.arange(first, min(first + 32, 255))
        other = {"square": sides, "tall": np.full_like(sides, 9), "wide": sides // 3 + 1}[shape]
        sizes = [(w, h) if shape == "wide" else (h, w) for w, h in zip(sides, other, strict=True)]
        most = max(max(pair) for pair in sizes)
        images = pictures(random, 2, most, most, 1)
        rows = [random_plan(random, 1, (most, most), (most, most), size=pair) for pair in sizes]
        for plan in rows:
            expected = blend_on_cpu(images[:1], images[1:], plan, mode)
            actual = blend(images[:1], images[1:], plan, mode)
            assert largest_difference(actual, expected) <= 1, plan.rows


@pytest.mark.usefixtures("device")
@pytest.mark.parametrize("mode", ["source", "mixed"])
@pytest.mark.parametrize("size", [(256, 255), (300, 290), (254, 600), (600, 401), (7, 1024)])
def test_sizes_without_a_kept_sine_matrix(mode: str, size: tuple[int, int]) -> None:
    random = np.random.default_rng(size)
    width, height = size
    images = pictures(random, 2, height, width, 1)
    rows = np.array(
        [[0, 0, 0, 0, width, height, width, height, 0, 0, 0, 0, width, height, 0, 0, -1, -1, 0, 0]],
        np.int32,
    )
    plan = Plan(rows, np.ones(1, np.float32), np.zeros(0, np.uint8))
    expected = blend_on_cpu(images[:1], images[1:], plan, mode)
    actual = blend(images[:1], images[1:], plan, mode)
    assert largest_difference(actual, expected) <= 1
    assert (expected != images[:1]).any()


@pytest.mark.usefixtures("device")
def test_a_batch_may_be_split_anywhere() -> None:
    random = np.random.default_rng(11)
    images, sources = pictures(random, 6, 70, 80, 3), pictures(random, 6, 60, 60, 3)
    plan = random_plan(random, 6, (70, 80), (60, 60), rounds=3, masks=True)
    whole = blend(images, sources, plan, "mixed")
    for first, end in ((0, 1), (1, 4), (4, 6)):
        own = (plan.rows[:, 0] >= first) & (plan.rows[:, 0] < end)
        rows = plan.rows[own].copy()
        rows[:, 0] -= first
        part = blend(images[first:end], sources, Plan(rows, plan.factors[own], plan.masks), "mixed")
        np.testing.assert_array_equal(part, whole[first:end])


@pytest.mark.usefixtures("device")
@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
def test_clones_with_grey_masks_as_the_cpu_does(mixed: bool, channels: int) -> None:
    random = np.random.default_rng([channels, mixed])
    count = 40
    sources, images = (
        pictures(random, count, 50, 60, channels),
        pictures(random, count, 90, 80, channels),
    )
    masks = pictures(random, count, 50, 60, 1)[..., 0]
    masks[masks < 90] = 0
    masks[:10] = np.where(masks[:10] > 0, 255, 0)
    masks[10, 20:] = 0
    masks[11] = 255
    masks[12] = 0
    centers = np.stack([random.integers(30, 50, count), random.integers(25, 65, count)], axis=1)
    expected = np.empty_like(images)
    C.clone_cpu(sources, images, masks, centers, 2 if mixed else 1, expected, 1)
    rows, packed = C.clone_plan(sources.shape, images.shape, masks, centers, 1)
    plan = Plan(rows, np.ones(len(rows), np.float32), packed)
    actual = blend(images, sources, plan, "mixed" if mixed else "source", grey_unit=1 / 255)
    assert largest_difference(actual, expected) <= 1
    assert (expected != images).any(axis=(1, 2, 3)).sum() > 30


@pytest.mark.usefixtures("device")
def test_identical_patch_and_destination_change_nothing() -> None:
    random = np.random.default_rng(2)
    images = pictures(random, 1, 40, 50, 3)
    rows = np.array(
        [[0, 0, 0, 0, 50, 40, 50, 40, 0, 0, 1, 1, 48, 38, 1, 1, -1, -1, 0, 0]], np.int32
    )
    plan = Plan(rows, np.ones(1, np.float32), np.zeros(0, np.uint8))
    for mode in MODES[:3]:
        actual = blend(images, images, plan, mode)
        np.testing.assert_array_equal(actual, images)
