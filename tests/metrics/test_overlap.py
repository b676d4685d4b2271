"""PRO against the plain loops of ``naive.py``."""

import naive
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import auc

from nsa.errors import InputError
from nsa.metrics import au_pro, au_pros, pro_curve


def random_case(seed, levels=None):
    """Small maps; blobs and single pixels as defects, so that many touch only diagonally."""
    rng = np.random.default_rng(seed)
    count, height, width = rng.integers(1, 4), *rng.integers(3, 14, size=2)
    masks = rng.random((count, height, width)) < rng.choice([0.02, 0.1, 0.3])
    masks[0, 0, 0], masks[0, 1, 1], masks[0, 0, 2] = True, True, False
    maps = rng.normal(size=masks.shape) + masks * rng.choice([0.0, 1.0, 3.0])
    if levels is not None:  # heavy ties
        maps = np.round(maps * levels) / levels
    return masks, maps.astype(rng.choice([np.float32, np.float64]))


@pytest.mark.parametrize("max_fpr", [0.05, 0.3, 1 / 3, 0.5, 1.0])
@pytest.mark.parametrize("levels", [None, 8, 2, 0.5])
def test_au_pro_equals_the_definition(levels, max_fpr):
    for seed in range(25):
        masks, maps = random_case(seed, levels)
        assert au_pro(masks, maps, max_fpr) == pytest.approx(
            naive.au_pro(masks, maps, max_fpr), abs=1e-12
        )


@pytest.mark.parametrize("levels", [None, 2])
def test_several_limits_give_what_each_gives_alone(levels):
    limits = (0.05, 0.3, 1.0, 0.3, 0.2)
    for seed in range(25):
        masks, maps = random_case(seed, levels)
        expected = [naive.au_pro(masks, maps, limit) for limit in limits]
        assert au_pros(masks, maps, limits) == pytest.approx(expected, abs=1e-12)


@settings(max_examples=150, deadline=None)
@given(
    masks=hnp.arrays(np.bool_, (2, 4, 5)),
    maps=hnp.arrays(np.int8, (2, 4, 5), elements=st.integers(-3, 3)),
    max_fpr=st.floats(0.01, 1.0),
)
def test_au_pro_equals_the_definition_whatever_the_shapes(masks, maps, max_fpr):
    masks[0, 0, :2] = True, False
    expected = naive.au_pro(masks, maps, max_fpr)
    assert au_pro(masks, maps, max_fpr) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("levels", [None, 2])
def test_the_curve_equals_the_definition_and_holds_the_same_area(levels):
    for seed in range(20):
        masks, maps = random_case(seed, levels)
        fpr, pro = pro_curve(masks, maps)
        expected_fpr, expected_pro = naive.pro_curve(masks, maps)
        np.testing.assert_allclose(fpr, expected_fpr, atol=1e-12)
        np.testing.assert_allclose(pro, expected_pro, atol=1e-12)
        assert auc(fpr, pro) == pytest.approx(au_pro(masks, maps, 1.0), abs=1e-12)


def test_many_pixels_with_ties_at_the_cut():
    rng = np.random.default_rng(0)
    masks = np.zeros((4, 128, 128), bool)
    masks[:3, 30:50, 40:90] = masks[0, 100:103, 5:9] = True
    maps = np.round(rng.random(masks.shape) * 20 + 5 * masks).astype(np.float32) / 20
    for max_fpr in (0.1, 0.3, 0.7):
        assert au_pro(masks, maps, max_fpr) == pytest.approx(
            naive.au_pro(masks, maps, max_fpr), abs=1e-10
        )


def test_diagonal_neighbours_are_one_region():
    """Two of three diagonal pixels found: two thirds of one region, not two of three regions."""
    mask = np.eye(3, dtype=bool)[None]
    mask = np.pad(mask, ((0, 0), (0, 4), (0, 4)))
    mask[0, 6, 6] = True
    maps = np.zeros(mask.shape)
    maps[0, 0, 0] = maps[0, 1, 1] = 1
    _, pro = pro_curve(mask, maps)
    assert pro[1] == pytest.approx((2 / 3 + 0) / 2)


@pytest.mark.parametrize(
    ("found", "expected"), [(1.0, 1.0), (0.0, 0.15), (-1.0, 0.0)], ids=["all", "constant", "none"]
)
def test_extremes(found, expected):
    """A constant map is the diagonal, whose mean up to 0.3 is 0.15."""
    masks = np.zeros((2, 8, 8), bool)
    masks[0, 2:4, 2:5] = True
    assert au_pro(masks, masks * found) == pytest.approx(expected)


def test_small_regions_weigh_as_much_as_large_ones():
    masks = np.zeros((1, 20, 20), bool)
    masks[0, :10, :10] = masks[0, 15, 15] = True
    maps = np.zeros(masks.shape)
    maps[0, 15, 15] = 1
    assert au_pro(masks, maps, 1.0) == pytest.approx(0.5 + 0.5 / 2)


def test_order_is_all_that_matters():
    masks, maps = random_case(7)
    expected = au_pro(masks, maps)
    assert au_pro(masks, np.exp(maps)) == expected
    assert au_pro(masks, 3 * maps - 100) == expected
    assert au_pro(masks[::-1], maps[::-1]) == pytest.approx(expected, abs=1e-14)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_tensors_of_every_precision(dtype):
    masks, maps = random_case(3)
    tensor = torch.from_numpy(maps).to(dtype)
    expected = naive.au_pro(masks, tensor.double().numpy(), 0.3)
    assert au_pro(torch.from_numpy(masks), tensor) == pytest.approx(expected, abs=1e-12)
    assert au_pro(torch.from_numpy(masks).float(), tensor) == pytest.approx(expected, abs=1e-12)


def test_neither_argument_changes():
    masks, maps = random_case(5)
    maps_before, masks_before = maps.copy(), masks.copy()
    au_pro(masks, maps)
    pro_curve(masks, maps)
    assert np.array_equal(maps, maps_before)
    assert np.array_equal(masks, masks_before)


MAPS = np.zeros((2, 4, 4), np.float32)
MASKS = np.zeros((2, 4, 4), bool)
MASKS[0, 1, 1] = True


@pytest.mark.parametrize("function", [au_pro, pro_curve])
@pytest.mark.parametrize(
    ("masks", "maps", "message"),
    [
        (MASKS[:1], MAPS, r"same shape, got \(1, 4, 4\) and \(2, 4, 4\)"),
        (MASKS[0], MAPS[0], r"shape \(N, H, W\)"),
        (MASKS, np.where(MASKS, np.nan, MAPS), "maps hold NaN or infinity"),
        (MASKS, np.where(MASKS, np.inf, MAPS), "maps hold NaN or infinity"),
        (np.zeros_like(MASKS), MAPS, "No mask marks a defective pixel"),
        (MASKS[:0], MAPS[:0], "No mask marks a defective pixel"),
        (np.ones_like(MASKS), MAPS, "mark every pixel"),
        (MASKS * 255, MAPS, r"masks must be 0 \(normal\) or 1 \(defective\), got 255"),
        (MASKS * np.nan, MAPS, "masks must be 0 .* got nan"),
        (MASKS, MAPS.astype(complex), "maps must be numbers, got complex"),
        (MASKS, MAPS.astype(str), "maps must be numbers"),
        (MASKS, [[1.0], [1.0, 2.0]], "maps must be a regular array"),
        (MAPS + 0.5, MASKS * 1, r"got 0.5; masks come first, then maps\."),
        (MAPS, MASKS, "maps are booleans, but masks are not; masks come first, then maps"),
    ],
)
def test_bad_input(function, masks, maps, message):
    with pytest.raises(InputError, match=message):
        function(masks, maps)


@pytest.mark.parametrize("max_fpr", [0.0, -0.1, 1.01, float("nan")])
def test_bad_limit(max_fpr):
    with pytest.raises(InputError, match="max_fpr must be above 0 and at most 1"):
        au_pro(MASKS, MAPS, max_fpr)
    with pytest.raises(InputError, match="max_fpr must be above 0 and at most 1"):
        au_pros(MASKS, MAPS, (0.3, max_fpr))
