"""Tiles of the label kernel: patches that they list, groups of pixels that they compare at once."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from cuda_cases import Bytes, pictures, random_plan
from host_device import HostDevice
from test_label_kernel import KINDS, VARIANTS, launched, on_cpu

from nsa._native.cuda import operators
from nsa.plan.table import Plan


def changed(random: np.random.Generator, original: Bytes) -> Bytes:
    """Other images, equal to the original in a tenth of the pixels."""
    other = pictures(random, *original.shape)
    return np.where(random.random(original.shape[:3])[..., None] < 0.1, original, other)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("patches", [1, 32, 33, 64, 65, 100, 250])
def test_any_number_of_patches(device: HostDevice, kind: str, variant: str, patches: int) -> None:
    """More than a tile lists: the rest is looked at one by one."""
    random = np.random.default_rng([patches, variant == "released"])
    original = pictures(random, 1, 70, 150, 3)
    blended = changed(random, original)
    size = (int(random.integers(9, 40)), int(random.integers(9, 40)))
    plan = random_plan(
        random, 1, (70, 150), (8, 8), rounds=patches * 2, masks=patches > 1, size=size
    )
    plan = Plan(plan.rows[:patches], plan.factors[:patches], plan.masks)
    assert len(plan) == patches
    device.arrange(seed=patches)
    actual = launched(original, blended, plan, kind, variant)
    expected = on_cpu(original, blended, plan, kind, variant)
    np.testing.assert_array_equal(actual, expected)
    assert (expected > 0).any()


@pytest.mark.usefixtures("device")
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("width", [9, 127, 128, 129, 130, 131, 132, 257])
def test_rows_may_start_anywhere(channels: int, width: int) -> None:
    """Rows that begin inside a word of four bytes, and images that do."""
    random = np.random.default_rng([channels, width])
    original = pictures(random, 3, 37, width, channels)
    blended = changed(random, original)
    plan = random_plan(random, 1, (37, width), (8, 8), rounds=3, size=(width - 3, 30))
    arguments = [torch.from_numpy(part) for part in (plan.rows, plan.factors, plan.masks)]
    for first in range(3):
        before, after = torch.from_numpy(original)[first:], torch.from_numpy(blended)[first:]
        rule = "continuous", "released", 15.0, 0.2
        actual = operators.label(before, after, *arguments, *rule)
        expected = on_cpu(original[first:], blended[first:], plan, *rule[:2])
        np.testing.assert_array_equal(actual.numpy(), expected)
        assert (expected > 0).any()
