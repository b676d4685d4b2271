"""Sizes, centres, scales, counts and sources follow the stated distributions."""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt
import pytest
import torch
from plan_scenes import bars, disks
from same_patches import assert_same_patches
from scipy import stats

from nsa import reference
from nsa.plan import Plan, boxes, draw_plan, rng
from nsa.settings.config import SynthesisConfig, Variant
from nsa.settings.fields import replace
from nsa.settings.presets import preset
from nsa.synthesis import NSA

ALPHA = 1e-4
COUNT = 40_000
SIDE = 4096  # whole pixels are then fine enough for a test of a continuous distribution

VARIANTS: tuple[Variant, ...] = ("released", "paper")
Values = npt.NDArray[np.float64]


@numba.njit
def draw_lengths(axis: boxes.Axis, paper: bool, values: Values) -> None:
    state = np.empty(4, np.uint64)
    rng.seed_stream(state, np.uint64(11), 0)
    for k in range(len(values)):
        values[k] = boxes.draw_length(state, axis, paper)


@numba.njit
def draw_heights(limits: boxes.Limits, height: int, width: int, values: Values) -> None:
    state = np.empty(4, np.uint64)
    rng.seed_stream(state, np.uint64(12), 0)
    for k in range(len(values)):
        values[k] = boxes.draw_size(state, limits, height, width)[0]


def within(values: Values, low: float, high: float, distribution: stats.rv_frozen) -> float:
    """p-value of the values strictly between the limits, given the distribution clipped there."""
    inside = values[(values > low) & (values < high)]
    mass = distribution.cdf([low, high])
    # As many are cut off at either side as should be.
    for cut, share in (((values <= low).sum(), mass[0]), ((values >= high).sum(), 1 - mass[1])):
        assert stats.binomtest(int(cut), len(values), share).pvalue > ALPHA
    return float(
        stats.kstest(inside, lambda v: (distribution.cdf(v) - mass[0]) / (mass[1] - mass[0])).pvalue
    )


@pytest.mark.parametrize("variant", VARIANTS)
def test_sides_in_pixels_are_the_usual_ones_moved(variant: Variant) -> None:
    config = SynthesisConfig(variant=variant, patch_pixels=(200, 1600), height_bounds=(0.9, 1.0))
    axis = boxes.limits(config, SIDE, SIDE, objects=False).rows
    values = np.empty(COUNT)
    draw_lengths(axis, variant == "paper", values)
    assert 200 <= values.min() < values.max() <= 1600
    if variant == "released":  # whole pixels of the half side
        values += 2 * np.random.default_rng(0).random(COUNT) * ((values > 200) & (values < 1600))
        values[values < 202] = 200
    # From 0.06 to 0.8 of a side as the paper draws them, to 200 to 1,600 px.
    usual = 0.06 + (values - 200) / 1400 * 0.74
    least = 0.06 + 0.74 * (2 / 1400 if variant == "released" else 0)
    assert within(usual, least, 0.8, stats.gamma(2, loc=0.06, scale=0.1)) > ALPHA


def test_sides_in_pixels_end_at_the_image() -> None:
    config = SynthesisConfig(patch_pixels=(8, 64))
    axis = boxes.limits(config, 6, 40, objects=False)
    assert (axis.rows.half_low, axis.rows.half_high) == (3, 3)
    assert (axis.columns.half_low, axis.columns.half_high) == (4, 20)


@pytest.mark.parametrize("variant", VARIANTS)
def test_sides_are_clipped_gamma(variant: Variant) -> None:
    config = SynthesisConfig(variant=variant, height_bounds=(0.12, 0.4))
    axis = boxes.limits(config, SIDE, SIDE, objects=False).rows
    values = np.empty(COUNT)
    draw_lengths(axis, variant == "paper", values)
    if variant == "paper":
        assert within(values / SIDE, 0.12, 0.4, stats.gamma(2, loc=0.06, scale=0.1)) > ALPHA
        return
    half = values / 2
    assert np.array_equal(half, np.round(half))
    # Whole pixels were cut off: spread them out again, but for the values at the limits.
    low, high = axis.half_low, axis.half_high
    assert (low, high) == (round(0.06 * SIDE), round(0.2 * SIDE))
    half += np.random.default_rng(0).random(COUNT) * ((half > low) & (half < high))
    half[half < low + 1] = low
    distribution = stats.gamma(2, loc=0.03 * SIDE, scale=0.05 * SIDE)
    assert within(half, low + 1, high, distribution) > ALPHA


@pytest.mark.parametrize("variant", VARIANTS)
def test_scales_are_clipped_normal(variant: Variant) -> None:
    bounds = {"height_bounds": (0.001, 1.0), "width_bounds": (0.001, 1.0)}
    config = replace(SynthesisConfig(variant=variant, scale_bounds=(0.5, 2.0)), **bounds)
    side = 10 * SIDE
    limits = boxes.limits(config, side, side, objects=False)
    values = np.empty(COUNT)
    draw_heights(limits, SIDE, SIDE, values)
    values += np.random.default_rng(0).random(COUNT) - (0.5 if variant == "paper" else 0)
    # Half a pixel beyond the limits is where rounding may have left a clipped value.
    step = 1.5 / SIDE
    assert within(values / SIDE, 0.5 + step, 2.0 - step, stats.norm(1, 0.5)) > ALPHA


@pytest.mark.parametrize("variant", VARIANTS)
def test_places_are_uniform(variant: Variant) -> None:
    # One size only, so that no box is clipped.
    fixed = {"height_bounds": (0.2, 0.2), "width_bounds": (0.1, 0.1)}
    config = replace(SynthesisConfig(variant=variant, max_patches=1, scale_bounds=(1, 1)), **fixed)
    plan = draw_plan(config, COUNT, 200, 300, seed=4)
    assert len(plan) == COUNT
    if variant == "paper":
        # A patch of 40x30: real centres, so the outermost places are half as likely as the others.
        ranges = {"src_y": (0, 160), "src_x": (0, 270), "dst_y": (0, 160), "dst_x": (0, 270)}
    else:
        # 2 * 20 x 2 * 15, resized to half of it; centres [20, 180), [15, 285), and a 1-px border.
        ranges = {"src_y": (0, 159), "src_x": (0, 269), "dst_y": (1, 178), "dst_x": (1, 284)}
    for name, (low, high) in ranges.items():
        values = plan.column(name)
        assert values.min() == low, name
        assert values.max() == high, name
        expected = np.ones(high - low + 1)
        if variant == "paper" and name.startswith("src"):
            expected[[0, -1]] = 0.5
        counts = np.bincount(values - low, minlength=len(expected))
        expected *= COUNT / expected.sum()
        assert stats.chisquare(counts, expected).pvalue > ALPHA, name


@pytest.mark.parametrize("variant", VARIANTS)
def test_further_patches_follow_a_coin(variant: Variant) -> None:
    config = SynthesisConfig(
        variant=variant, max_patches=4, height_bounds=(0.1, 0.5), width_bounds=(0.1, 0.5)
    )
    plan = draw_plan(config, COUNT, 256, 256, seed=9)
    patches = np.bincount(plan.column("image"), minlength=COUNT)
    counts = np.bincount(patches, minlength=5)
    assert counts[0] == 0
    expected = COUNT * stats.binom(3, 0.5).pmf(np.arange(4))
    assert stats.chisquare(counts[1:], expected).pvalue > ALPHA


def test_released_source_is_the_image_before() -> None:
    plan = draw_plan(SynthesisConfig(), 50, 64, 64, seed=0)
    assert np.array_equal(plan.column("source"), (plan.column("image") - 1) % 50)


def test_paper_source_is_any_other_image() -> None:
    config = SynthesisConfig(variant="paper", max_patches=1, height_bounds=(0.2, 0.5))
    pairs = np.zeros((5, 5), int)
    for seed in range(2000):
        plan = draw_plan(config, 5, 64, 64, seed=seed)
        np.add.at(pairs, (plan.column("image"), plan.column("source")), 1)
    assert not pairs.diagonal().any()
    assert stats.chisquare(pairs[~np.eye(5, dtype=bool)]).pvalue > ALPHA


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("scene", ["carpet", "bottle", "screw"])
def test_agrees_with_the_plain_sampler(scene: str, variant: Variant) -> None:
    count, height, width = 800, 120, 97
    config = replace(preset(scene).synthesis, variant=variant)
    draw_masks = {"carpet": None, "bottle": disks, "screw": bars}[scene]
    masks = None if draw_masks is None else draw_masks(count, height, width)
    ours = draw_plan(config, count, height, width, seed=1, object_masks=masks)
    plain = reference.draw_plan(config, count, height, width, seed=1, object_masks=masks)
    assert len(ours) > count / 2
    for name in ("round", "src_x", "src_y", "src_w", "src_h", "width", "height", "dst_x", "dst_y"):
        pvalue = stats.ks_2samp(ours.column(name), plain.column(name)).pvalue
        assert pvalue > ALPHA, name
    if masks is not None:
        assert stats.ks_2samp(shares(ours), shares(plain)).pvalue > ALPHA


def shares(plan: Plan) -> Values:
    """Share of the label mask in each patch."""
    area = plan.column("height") * plan.column("width")
    return np.array(
        [
            plan.masks[first : first + pixels].mean()
            for first, pixels in zip(plan.column("label_mask"), area, strict=True)
        ]
    )


@pytest.mark.parametrize("method", ["nsa", "cutpaste", "ellipses", "pii", "scars", "perlin"])
def test_a_share_of_images_is_left_clean(method: str, fresh_seed: int) -> None:
    """And the others are what they are without clean ones, in a batch of any size."""
    config = SynthesisConfig(method=method, clean_share=0.3)
    every = replace(config, clean_share=0.0)
    count = 2000
    plan = draw_plan(config, count, 64, 64, seed=fresh_seed)
    images = np.unique(plan.column("image"))
    usual = draw_plan(every, count, 64, 64, seed=fresh_seed)
    found = np.unique(usual.column("image"))
    assert stats.binomtest(len(images), len(found), 0.7).pvalue > ALPHA
    assert_same_patches(plan, usual)
    some = draw_plan(config, 50, 64, 64, seed=fresh_seed)
    assert np.array_equal(np.unique(some.column("image")), images[images < 50])
    drawn = reference.draw_plan(config, count, 64, 64, seed=fresh_seed)
    changed = np.array([len(images), len(np.unique(drawn.column("image")))])
    assert stats.fisher_exact([changed, count - changed]).pvalue > ALPHA


def test_masks_of_clean_images_do_no_harm(fresh_seed: int) -> None:
    images = np.random.default_rng(fresh_seed).integers(0, 256, (120, 3, 48, 48), np.uint8)
    config = SynthesisConfig(background=255, background_threshold=100, clean_share=0.3)
    batch = torch.from_numpy(images)
    make = NSA(config)
    plan = make.plan(batch, fresh_seed)
    changed, labels = make.synthesize(batch, plan)
    clean = np.setdiff1d(np.arange(120), plan.column("image"))
    assert len(clean) > 0
    assert torch.equal(changed[clean], batch[clean])
    assert not labels[clean].any()
    pictures = (one.permute(0, 2, 3, 1).numpy() for one in (batch, changed))
    expected = reference.label(*pictures, plan, config)
    np.testing.assert_allclose(labels[:, 0].numpy(), expected, atol=1e-6)
    assert labels.any()
