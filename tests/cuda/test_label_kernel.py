"""The label kernel, launched on the host, against the CPU path: equal."""

from __future__ import annotations

import typing

import numpy as np
import pytest
from cuda_cases import Bytes, pictures, random_plan
from host_device import HostDevice, label

from nsa._native.extension import C
from nsa.plan.table import Plan
from nsa.settings.config import Variant
from nsa.settings.methods import LabelKind

KINDS = typing.get_args(LabelKind)
VARIANTS = typing.get_args(Variant)
MIDPOINT, STEEPNESS = 15.0, 1 / 6


def launched(original: Bytes, blended: Bytes, plan: Plan, kind: str, variant: str) -> np.ndarray:
    return label(original, blended, plan, kind, variant, MIDPOINT, STEEPNESS)


def on_cpu(original: Bytes, blended: Bytes, plan: Plan, kind: str, variant: str) -> np.ndarray:
    labels = np.empty(original.shape[:3], np.float32)
    C.label_cpu(
        original,
        blended,
        plan.rows,
        plan.factors,
        plan.masks,
        kind,
        variant,
        MIDPOINT,
        STEEPNESS,
        labels,
        1,
    )
    return labels


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("trial", range(30))
def test_equals_the_cpu(device: HostDevice, kind: str, variant: str, trial: int) -> None:
    """Images from 1 px to several tiles, borders, overlapping patches and masks: 720 cases."""
    random = np.random.default_rng([trial, KINDS.index(kind), variant == "released"])
    channels = int(random.choice([1, 3]))
    height, width = random.integers(12, 300, 2) if trial % 3 else random.integers(1, 40, 2)
    original = pictures(random, 3, height, width, channels)
    change = pictures(random, 3, height, width, channels).astype(np.int64) - 120
    change = change * (random.random() < 0.7) * random.uniform(0, 2)
    blended = np.clip(original + change, 0, 255).astype(np.uint8)
    plan = random_plan(random, 3, (height, width), (8, 8), rounds=3, masks=True)

    device.arrange(seed=trial)
    actual = launched(original, blended, plan, kind, variant)
    expected = on_cpu(original, blended, plan, kind, variant)
    np.testing.assert_array_equal(actual, expected)


@pytest.mark.usefixtures("device")
def test_images_without_patches_are_all_zero() -> None:
    random = np.random.default_rng(0)
    images = pictures(random, 2, 40, 200, 3)
    nothing = Plan(np.zeros((0, 20), np.int32), np.zeros(0, np.float32), np.zeros(0, np.uint8))
    assert not launched(images, images[::-1].copy(), nothing, "continuous", "released").any()


@pytest.mark.usefixtures("device")
def test_largest_differences_fill_every_digit() -> None:
    black, white = np.zeros((1, 30, 40, 3), np.uint8), np.full((1, 30, 40, 3), 255, np.uint8)
    rows = np.array([[0, 0, 0, 0, 1, 1, 40, 30, 0, 0, 0, 0, 1, 1, 0, 0, -1, -1, 0, 0]], np.int32)
    plan = Plan(rows, np.ones(1, np.float32), np.zeros(0, np.uint8))
    np.testing.assert_array_equal(launched(black, white, plan, "continuous", "released"), 255.0)
