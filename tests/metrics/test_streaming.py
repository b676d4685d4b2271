"""Metrics of streamed maps against the exact ones, and within the bounds that they promise."""

from __future__ import annotations

import naive
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from nsa.errors import InputError
from nsa.metrics import PixelMetrics, au_pro, auroc, average_precision, f1_at, f1_max
from nsa.metrics._ranks import order_keys
from nsa.metrics.overlap import pixel_weights

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.uint8]
LIMITS = (0.05, 0.3, 1.0)


def streamed(masks: Mask, maps: Floats, thresholds: tuple[float, ...] = ()) -> PixelMetrics:
    metrics = PixelMetrics(thresholds)
    for mask, anomaly_map in zip(masks, maps, strict=True):
        metrics.update(mask, anomaly_map)
    return metrics


def random_set(seed: list[int], levels: float | None = None) -> tuple[Mask, Floats]:
    """Maps with single pixels, blobs and one region along the border as defects."""
    random = np.random.default_rng(seed)
    count, height, width = random.integers(1, 4), *random.integers(5, 40, size=2)
    masks = (random.random((count, height, width)) < random.choice([0.0, 0.02, 0.2])).astype(
        np.uint8
    )
    masks[0, 0, 1:], masks[0, 1:, 0], masks[0, 2:4, 2:5], masks[0, 0, 0] = 1, 1, 1, 0
    maps = random.normal(size=masks.shape) + masks * random.choice([0.0, 1.0, 3.0])
    if random.random() < 0.5:  # as a network's, crowded near both ends
        maps = 1 / (1 + np.exp(-4 * maps))
    if levels is not None:
        maps = np.round(maps * levels) / levels
    return masks, maps.astype(np.float32)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("levels", [0.5, 2, 8])
def test_scores_in_bins_of_their_own_give_the_exact_values(
    fresh_seed: int, seed: int, levels: float
) -> None:
    """Ties in abundance, and no two different scores closer than 2**-15 of themselves."""
    masks, maps = random_set([fresh_seed, seed], levels)
    threshold = float(np.float32(0.5 / levels))
    metrics = streamed(masks, maps, (0.0, threshold))
    assert metrics.auroc() == pytest.approx(auroc(masks, maps), abs=1e-12)
    expected = average_precision(masks, maps)
    assert metrics.average_precision() == pytest.approx(expected, abs=1e-12)
    assert metrics.f1_max() == pytest.approx(f1_max(masks, maps)[0], abs=1e-12)
    for one in (0.0, threshold):
        assert metrics.f1_at(one) == f1_at(masks, maps, one)
    for limit in LIMITS:
        assert metrics.au_pro(limit) == pytest.approx(au_pro(masks, maps, limit), abs=1e-12)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("spread", [1.0, 1e-3, 1e-5, 0.0])
def test_all_other_scores_stay_within_the_stated_bounds(
    fresh_seed: int, seed: int, spread: float
) -> None:
    """The less scores vary, the more of them share a bin: few, many, nearly all, all."""
    masks, maps = random_set([fresh_seed, seed, 1])
    maps = (1 + spread * maps).astype(np.float32)
    metrics, truth = streamed(masks, maps), masks.ravel() > 0
    bins = order_keys(maps.ravel()) >> 8
    names, place = np.unique(bins, return_inverse=True)
    normal = np.bincount(place[~truth], minlength=len(names))[::-1]
    defective = np.bincount(place[truth], minlength=len(names))[::-1]
    weight = np.bincount(
        place[truth], pixel_weights(masks.astype(bool)), minlength=len(names)
    )[::-1]  # fmt: skip
    normals, defectives = normal.sum(), defective.sum()
    rounding = 1e-12

    products = normal / normals * (defective / defectives)
    assert abs(metrics.auroc() - auroc(masks, maps)) <= products.sum() / 2 + rounding
    before = np.cumsum(normal) - normal
    for limit in LIMITS:
        reached = before < limit * normals
        bound = (normal / normals * weight)[reached].sum() / limit
        assert abs(metrics.au_pro(limit) - au_pro(masks, maps, limit)) <= bound + rounding
    hits = np.cumsum(defective) - defective
    most = 2 * (hits + defective) / (defectives + hits + before + defective)
    best = f1_max(masks, maps)[0]
    assert metrics.f1_max() <= best + rounding
    assert best <= most.max() + rounding
    # Precision in a bin lies between all normal pixels first and all defective ones first.
    found, alarms = hits + defective, before + normal
    given_ = found / np.maximum(found + alarms, 1)
    high, low = found / np.maximum(found + before, 1), (hits + 1) / (hits + 1 + alarms)
    bound = (defective * np.maximum(high - given_, given_ - low)).sum() / defectives
    gap = abs(metrics.average_precision() - average_precision(masks, maps))
    assert gap <= bound + rounding


@pytest.mark.parametrize("kind", ["sigmoid", "normal", "distances"])
def test_with_as_many_pixels_as_in_images_what_is_lost_does_not_show(
    fresh_seed: int, kind: str
) -> None:
    random = np.random.default_rng([fresh_seed, 2])
    masks = np.zeros((3, 300, 411), np.uint8)
    masks[0, 40:90, 100:140] = masks[1, :7, 400:] = masks[1, 200, 200] = 1
    maps = random.normal(size=masks.shape) + 2 * masks
    if kind == "sigmoid":
        maps = 1 / (1 + np.exp(4 - 3 * maps))
    elif kind == "distances":
        maps = 1e3 + np.exp(maps)
    maps = maps.astype(np.float32)
    metrics = streamed(masks, maps, (1.5,))
    close = 1e-3  # measured: 4e-4; what a table shows ends there
    assert metrics.auroc() == pytest.approx(auroc(masks, maps), abs=1e-4)
    assert metrics.average_precision() == pytest.approx(average_precision(masks, maps), abs=close)
    for limit in LIMITS:
        # The region of a single pixel counts for a third: up to 1.4e-3 in 364 draws of distances.
        assert metrics.au_pro(limit) == pytest.approx(au_pro(masks, maps, limit), abs=2e-3)
    assert metrics.f1_max() == pytest.approx(f1_max(masks, maps)[0], abs=close)
    assert metrics.f1_at(1.5) == f1_at(masks, maps, 1.5)


def test_maps_of_different_sizes_are_one_set(fresh_seed: int) -> None:
    """The same pixels, one image each or all in a row, give the same; so does any order."""
    random = np.random.default_rng([fresh_seed, 3])
    sizes = [(5, 9), (1, 1), (30, 2), (17, 17)]
    masks = [(random.random(size) < 0.3).astype(np.uint8) for size in sizes]
    masks[0][:2, :2] = [[0, 1], [0, 0]]
    maps = [np.round(random.normal(size=size) * 8).astype(np.float32) / 8 for size in sizes]
    metrics, turned = PixelMetrics((0.25,)), PixelMetrics((0.25,))
    for mask, anomaly_map in zip(masks, maps, strict=True):
        metrics.update(mask, anomaly_map)
    for mask, anomaly_map in zip(reversed(masks), reversed(maps), strict=True):
        turned.update(np.asfortranarray(mask.T).T[:, ::-1], anomaly_map[:, ::-1])
    metrics.update(np.zeros((0, 4), np.uint8), np.zeros((0, 4), np.float32))
    flat = np.concatenate([one.ravel() for one in masks])
    values = np.concatenate([one.ravel() for one in maps])
    assert metrics.defectives == flat.sum()
    assert metrics.normals == (flat == 0).sum()
    assert metrics.regions == sum(len(naive.regions(mask > 0)) for mask in masks)
    assert metrics.auroc() == turned.auroc() == pytest.approx(auroc(flat, values), abs=1e-12)
    assert metrics.f1_at(0.25) == turned.f1_at(0.25) == f1_at(flat, values, 0.25)
    # Padded on the right and below by normal pixels that nobody would call anomalous.
    wide = [np.pad(one, ((0, 30 - one.shape[0]), (0, 17 - one.shape[1]))) for one in masks]
    low = [
        np.pad(one, ((0, 30 - one.shape[0]), (0, 17 - one.shape[1])), constant_values=-100.0)
        for one in maps
    ]
    whole = np.stack(wide), np.stack(low)
    limit = 0.3 * metrics.normals / (whole[0] == 0).sum()
    expected = au_pro(*whole, limit)
    assert metrics.au_pro(0.3) == pytest.approx(expected, abs=1e-9)
    assert turned.au_pro(0.3) == pytest.approx(expected, abs=1e-9)


@settings(max_examples=30, deadline=None)
@given(
    scores=hnp.arrays(
        np.float32, 24,
        elements=st.floats(-(2.0**100), 2.0**100, width=32, allow_subnormal=False),
    )
)  # fmt: skip
def test_both_zeros_and_every_sign_and_size_keep_their_order(scores: Floats) -> None:
    """Rounded to two digits of a binary fraction, so that each has a bin of its own."""
    fraction, exponent = np.frexp(scores)
    scores = np.ldexp(np.round(fraction * 4) / 4, exponent).astype(np.float32).reshape(4, 6)
    scores[0, :2] = 0.0, -0.0
    mask = np.zeros((4, 6), np.uint8)
    mask[::2, ::2] = 1
    metrics = streamed(mask[None], scores[None])
    assert metrics.auroc() == pytest.approx(auroc(mask, scores), abs=1e-12)
    assert metrics.au_pro(0.5) == pytest.approx(au_pro(mask[None], scores[None], 0.5), abs=1e-12)


def test_a_threshold_between_two_numbers_of_float32_is_exact() -> None:
    low = np.float32(0.1)
    high = np.nextafter(low, np.float32(1))
    between = (float(low) + float(high)) / 2
    thresholds = (float(low), between, float(high), -1e300, 1e300)
    metrics = streamed(np.array([[[0, 1]]], np.uint8), np.array([[[low, high]]]), thresholds)
    assert [metrics.f1_at(one) for one in thresholds] == [1.0, 1.0, 0.0, 2 / 3, 0.0]


def test_sums_of_pixels_beyond_64_bits_do_not_wrap_round() -> None:
    metrics = streamed(np.array([[[0, 1]]], np.uint8), np.array([[[0.0, 1.0]]], np.float32))
    for histogram in (metrics._normal, metrics._defective):
        histogram *= 10**10
    metrics.normals = metrics.defectives = 10**10
    metrics._counted = None
    assert metrics.auroc() == 1.0


MASK, MAP = np.eye(4, dtype=np.uint8), np.zeros((4, 4), np.float32)


def test_without_defects_or_without_normal_pixels_there_are_no_metrics() -> None:
    for mask, message in (
        (np.zeros_like(MASK), "No mask marks a defective pixel"),
        (np.ones_like(MASK), "mark every pixel"),
    ):
        metrics = streamed(mask[None], MAP[None], (0.5,))
        for value in (
            metrics.auroc, metrics.average_precision, metrics.au_pro, metrics.f1_max,
            lambda metrics=metrics: metrics.f1_at(0.5),
        ):  # fmt: skip
            with pytest.raises(InputError, match=message):
                value()


@pytest.mark.parametrize(
    ("mask", "anomaly_map", "message"),
    [
        (MASK > 0, MAP, "must be uint8 and a map float32, got bool and float32"),
        (MASK, MAP.astype(float), "got uint8 and float64"),
        (MASK[:3], MAP, r"one shape \(H, W\), got \(3, 4\) and \(4, 4\)"),
        (MASK[None], MAP[None], r"one shape \(H, W\), got \(1, 4, 4\)"),
        (MASK * 255, MAP, "0 .normal. or 1 .defective., got 255"),
        (MASK, MAP * np.float32(np.nan), "NaN or infinity"),
        (MASK, MAP + np.float32(np.inf), "NaN or infinity"),
    ],
)
def test_bad_input_changes_nothing(mask: Mask, anomaly_map: Floats, message: str) -> None:
    metrics = streamed(MASK[None], MASK[None].astype(np.float32))
    with pytest.raises(InputError, match=message):
        metrics.update(mask, anomaly_map)
    assert (metrics.normals, metrics.defectives, metrics.regions) == (12, 4, 1)
    assert metrics.auroc() == metrics.au_pro() == 1.0


def test_bad_questions() -> None:
    metrics = streamed(MASK[None], MAP[None], (0.5,))
    with pytest.raises(InputError, match="max_fpr must be above 0"):
        metrics.au_pro(0.0)
    with pytest.raises(InputError, match=r"Pixels above 0\.25 were not counted"):
        metrics.f1_at(0.25)
