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
from nsa.metrics.conformal import allowed_exceedances, images_needed


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
)
def test_threshold_and_p_value_agree(scores: list[int], rank: int, new: int) -> None:
    """Above the threshold exactly where the p-value is at most the rate, ties included."""
    calibration = ConformalThreshold(np.array(scores, float))
    fpr = min(rank, len(scores)) / (len(scores) + 1)
    significant = calibration.p_value(float(new)) <= fpr + 1e-9
    assert (new > calibration.threshold(fpr)) == significant


def test_smallest_attainable_rate_is_told() -> None:
    calibration = ConformalThreshold(torch.arange(99.0))
    assert calibration.smallest_rate == 0.01
    assert calibration.threshold(0.01) == 98
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
        assert ConformalThreshold(tensor).threshold(0.25) == 1.0
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
