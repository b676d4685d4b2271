"""Split-conformal thresholds, by simulation."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nsa.errors import InputError
from nsa.metrics import ConformalThreshold, achieved_rate
from nsa.metrics.conformal import allowed_exceedances, images_needed, rate_text


@pytest.mark.parametrize("fpr", [0.01, 0.05, 0.3])
@pytest.mark.parametrize("count", [99, 150])
def test_conformal_rate_by_simulation(fpr: float, count: int) -> None:
    """Over draws of held-out images the mean rate is floor(fpr (n + 1)) / (n + 1)."""
    rng = np.random.default_rng(int(1000 * fpr) + count)
    repeats = 3000
    rates = []
    for _ in range(repeats):
        threshold = ConformalThreshold(rng.lognormal(size=count)).threshold(fpr)
        rates.append(1 - _lognormal_cdf(threshold))
    allowed = math.floor(fpr * (count + 1) + 1e-9)
    expected = allowed / (count + 1)
    # Each rate is Beta(k, n + 1 - k).
    error = math.sqrt(expected * (1 - expected) / (count + 2) / repeats)
    assert abs(np.mean(rates) - expected) < 4 * error
    assert expected <= fpr
    spread = math.sqrt(expected * (1 - expected) / (count + 2))
    assert np.std(rates) == pytest.approx(spread, rel=0.1)


def _lognormal_cdf(x: float) -> float:
    return 0.5 * (1 + math.erf(math.log(x) / math.sqrt(2)))


def test_p_values_of_normal_images_are_uniform() -> None:
    rng = np.random.default_rng(0)
    count = 19
    p_values = np.array(
        [ConformalThreshold(rng.normal(size=count)).p_value(rng.normal()) for _ in range(20_000)]
    )
    found = np.bincount(np.rint(p_values * (count + 1)).astype(int), minlength=count + 2)
    assert found[0] == 0
    share = found[1:] / len(p_values)
    assert np.abs(share - 1 / (count + 1)).max() < 4.5 * math.sqrt(0.05 * 0.95 / 20_000)


def test_p_value_by_the_definition() -> None:
    scores = [1.0, 2.0, 2.0, 3.0]
    new = np.array([[0.0, 1.0, 1.5], [2.0, 3.0, 4.0]])
    expected = [[(1 + sum(s >= x for s in scores)) / 5 for x in row] for row in new]
    found = ConformalThreshold(scores).p_value(new)
    np.testing.assert_allclose(found, expected)
    assert found.shape == (2, 3)


@given(
    scores=st.lists(st.integers(0, 8), min_size=1, max_size=40),
    rank=st.integers(1, 40),
    new=st.integers(-1, 9),
    moved=st.floats(-1e-3, 1e-3),
)
def test_threshold_and_p_value_agree(scores: list[int], rank: int, new: int, moved: float) -> None:
    """Above the threshold exactly where the p-value is at most the rate, ties included."""
    calibration = ConformalThreshold(np.array(scores, float))
    fpr = min(rank, len(scores)) / (len(scores) + 1)
    threshold = calibration.threshold(fpr)
    significant = calibration.p_value(float(new)) <= fpr + 1e-9
    assert (new > threshold) == significant
    # For scores of the held-out images it is the score itself that would decide, too.
    as_high = sum(score >= new for score in scores)
    assert significant == ((1 + as_high) / (len(scores) + 1) <= fpr + 1e-9)
    # And within a gap.
    near = new + moved
    assert (near > threshold) == (calibration.p_value(near) <= fpr + 1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_threshold_lies_between_two_scores(fresh_seed: int, dtype: type) -> None:
    """Every held-out image keeps its p-value and label where its score is a little different."""
    rng = np.random.default_rng(fresh_seed)
    scores = np.unique(rng.gamma(4, 1e-3, 200).astype(dtype))
    calibration = ConformalThreshold(scores)
    assert calibration.scores.tolist() == scores.tolist()
    count = len(scores)
    gaps = np.append(np.diff(scores.astype(float)), np.inf)
    for rank in range(1, count + 1):
        low = count - rank
        threshold = calibration.threshold(rank / (count + 1))
        assert float(scores[low]) < threshold < float(scores[low]) + gaps[low]
        assert threshold <= float(scores[low]) + 1.01e-4 * float(scores[-1])
        assert threshold == np.float32(threshold)
    moved = 0.4 * np.minimum(np.append(gaps[0], gaps[:-1]), np.minimum(gaps, 2e-9))
    own = calibration.p_value(scores)
    assert own.tolist() == [(1 + count - i) / (count + 1) for i in range(count)]
    for sign in (-1, 1):
        assert calibration.p_value(scores + sign * moved).tolist() == own.tolist()


@pytest.mark.parametrize(
    ("scores", "threshold"),
    [
        ([0.0, 0.0], 0.0),
        ([3.0], pytest.approx(3.0003)),
        ([-3.0, -2.0], pytest.approx(-1.9997)),
        # Neighbours as float32: between them is no number that a file could compare with.
        ([1.0, 1.0 + 2.0**-23], pytest.approx(1.0001)),
        ([1e39, 2e39], pytest.approx(2.0002e39)),
    ],
)
def test_above_the_highest_score_is_a_margin(scores: list[float], threshold: object) -> None:
    assert ConformalThreshold(scores).threshold(1 / (len(scores) + 1)) == threshold


def test_a_margin_of_ones_own() -> None:
    calibration = ConformalThreshold([-1.0, 0.5, 2.0], rounding=0.25)
    assert calibration.threshold(1 / 4) == 2.25
    assert calibration.threshold(1 / 2) == 0.75
    assert calibration.p_value([0.7, 0.8]).tolist() == [0.75, 0.5]


def test_between_neighbours_of_float32_the_lower_score_is_the_threshold() -> None:
    low, high = 1.0, 1.0 + 2.0**-23
    assert ConformalThreshold([low, high]).threshold(2 / 3) == low
    # Scores that were computed in float64 have numbers in between.
    assert low < ConformalThreshold([low, high, 1.2]).threshold(3 / 4) < high


def test_a_score_that_is_no_number_has_no_p_value() -> None:
    with pytest.raises(InputError, match="not a number"):
        ConformalThreshold([1.0]).p_value([0.5, math.nan])
    assert ConformalThreshold([1.0]).p_value([-math.inf, math.inf]).tolist() == [1.0, 0.5]


def test_smallest_attainable_rate_is_told() -> None:
    calibration = ConformalThreshold(torch.arange(99.0))
    assert calibration.smallest_rate == 0.01
    assert calibration.threshold(0.01) == pytest.approx(98.0098)
    with pytest.raises(InputError, match=r"1/100 = 0.01; hold out at least 199"):
        calibration.threshold(0.005)


@pytest.mark.parametrize(
    ("fpr", "needed"),
    [(0.5, 1), (0.3, 3), (0.1, 9), (0.05, 19), (1 / 49, 48), (0.01, 99), (0.003, 333)],
)
def test_images_needed_are_the_fewest_that_allow_an_exceedance(fpr: float, needed: int) -> None:
    assert images_needed(fpr) == needed
    assert allowed_exceedances(fpr, needed) == 1
    with pytest.raises(InputError, match=f"hold out at least {needed}"):
        allowed_exceedances(fpr, needed - 1)


def test_a_rate_means_what_is_written_whatever_its_last_bit() -> None:
    assert [allowed_exceedances(percent / 100, 99) for percent in range(1, 100)] == [*range(1, 100)]


def test_scores_may_be_tensors_of_any_precision() -> None:
    scores = [0.25, 0.5, 1.0]
    for dtype in (torch.bfloat16, torch.float16, torch.float32, torch.float64):
        tensor = torch.tensor(scores, dtype=dtype, requires_grad=True)
        assert ConformalThreshold(tensor).threshold(0.25) == pytest.approx(1.0001)
        assert ConformalThreshold(scores).p_value(tensor).tolist() == [1.0, 0.75, 0.5]


def test_working_points_of_arrays_need_numpy_alone() -> None:
    script = """
import sys
from nsa.metrics import ConformalThreshold, achieved_rate
assert achieved_rate([1, 2, 3, 4], ConformalThreshold(range(9)).threshold(0.7)) == 0.5
print([name for name in ("torch", "numba", "scipy", "sklearn") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr


def test_achieved_rate() -> None:
    assert achieved_rate([1.0, 2.0, 3.0, 4.0], 2.0) == 0.5
    assert achieved_rate(torch.tensor([1.0, 2.0]), 0.0) == 1.0


def test_wrong_arguments() -> None:
    for fpr in (0.0, 1.0, -0.1, float("nan"), True):
        with pytest.raises(InputError, match="between 0 and 1"):
            ConformalThreshold([1.0]).threshold(fpr)
    for scores in ([], [1.0, math.nan], [math.inf]):
        with pytest.raises(InputError, match="at least one number"):
            ConformalThreshold(scores)


def test_a_rate_that_is_read_can_be_asked_for() -> None:
    for count in range(1, 3000):
        conformal = ConformalThreshold(np.arange(count))
        text = rate_text(conformal.smallest_rate)
        assert len(text.replace("0.", "").lstrip("0")) <= 4
        assert float(text) == pytest.approx(conformal.smallest_rate, rel=1e-3)
        conformal.threshold(float(text))
    assert [rate_text(rate) for rate in (0.05, 0.5, 1 / 26, 0.001)] == [
        "0.05", "0.5", "0.03847", "0.001",
    ]  # fmt: skip
