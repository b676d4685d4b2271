"""An alarm when normal scores have moved: seldom without reason, soon with one."""

from __future__ import annotations

import numpy as np
import pytest

from nsa.errors import InputError
from nsa.metrics import ConformalThreshold
from nsa.metrics.drift import DriftAlarm

SIZES = [(9, 0.1), (19, 0.05), (40, 0.05)]


def make_alarm(
    random: np.random.Generator, count: int, fpr: float, level: float = 0.01
) -> DriftAlarm:
    """Calibrated by standard normal scores."""
    scores = random.normal(size=count)
    return DriftAlarm(scores, ConformalThreshold(scores).threshold(fpr), level)


@pytest.mark.parametrize(("count", "fpr"), SIZES)
def test_false_alarms_are_as_seldom_as_was_asked(count: int, fpr: float, fresh_seed: int) -> None:
    random, level, runs = np.random.default_rng([fresh_seed, count]), 0.1, 100
    alarms = 0
    for _ in range(runs):
        alarm = make_alarm(random, count, fpr, level)
        alarms += any(alarm.add(score) for score in random.normal(size=300))
    # Ville: level at most; four standard deviations of the binomial distribution above it.
    assert alarms / runs <= level + 4 * (level * (1 - level) / runs) ** 0.5


def test_scores_with_ties_give_no_more(fresh_seed: int) -> None:
    random, level, runs = np.random.default_rng(fresh_seed), 0.1, 100
    alarms = 0
    for _ in range(runs):
        scores = random.integers(0, 4, 119) / 4
        alarm = DriftAlarm(scores[:19], 1.0, level)
        alarms += any(alarm.add(score) for score in scores[19:])
    assert alarms / runs <= level + 4 * (level * (1 - level) / runs) ** 0.5


@pytest.mark.parametrize("shift", [-1.0, 1.0])
@pytest.mark.parametrize(("count", "fpr"), SIZES)
def test_a_shift_of_one_standard_deviation_is_found(
    count: int, fpr: float, shift: float, fresh_seed: int
) -> None:
    """After 200 images: in 99 of 100 cases within 400 with 40 that calibrate."""
    random, found, runs = np.random.default_rng([fresh_seed, count]), 0, 20
    for _ in range(runs):
        alarm = make_alarm(random, count, fpr)
        for score in random.normal(size=200):
            alarm.add(score)
        for score in random.normal(shift, size=400):
            alarm.add(score)
        found += alarm.since is not None
    assert found >= 0.7 * runs


def test_defects_raise_no_alarm(fresh_seed: int) -> None:
    random = np.random.default_rng(fresh_seed)
    alarm = make_alarm(random, 40, 0.05)
    for score in random.normal(50, size=1000):
        assert not alarm.add(score)
    assert (alarm.count, alarm.capital, alarm.distance) == (0, 1.0, None)


def test_the_alarm_is_given_once_and_stays() -> None:
    random = np.random.default_rng(0)
    alarm = make_alarm(random, 99, 0.05)
    given = [alarm.add(score) for score in random.normal(-2, size=300)]
    assert given.count(True) == 1
    assert alarm.since == 1 + given.index(True) < 60
    assert alarm.largest >= 100
    assert alarm.distance is not None
    assert alarm.distance > 0.6


def test_the_same_scores_give_the_same_capital() -> None:
    scores = np.random.default_rng(1).integers(0, 9, 2000).astype(float)  # with ties, and merges
    first, second = (DriftAlarm(scores[:30], 9.0, 0.01) for _ in range(2))
    for score in scores[30:]:
        first.add(score)
    for score in scores[30:]:
        second.add(score)
    assert first.capital == second.capital != 1


def test_the_capital_is_what_its_definition_says() -> None:
    """A martingale that starts at each image for each shift, weighted and added up."""
    random = np.random.default_rng(2)
    calibration, new = np.sort(random.normal(size=12)), random.normal(size=40)
    alarm = DriftAlarm(calibration, 10.0)
    for score in new:
        alarm.add(score)
    from scipy.stats import norm

    ties, earlier, deviations = np.random.default_rng(0), [*calibration[:-1]], []
    for score in new:
        above = sum(one > score for one in earlier)
        deviations.append(norm.isf((above + ties.random()) / (len(earlier) + 1)))
        earlier.append(score)
    shifts = (-2, -1, -0.5, -0.25, 0.25, 0.5, 1, 2)
    capital = 1 / (len(new) + 1)
    for start in range(len(new)):
        for shift in shifts:
            ratio = np.exp(sum(shift * z - shift**2 / 2 for z in deviations[start:]))
            capital += ratio / (start + 1) / (start + 2) / len(shifts)
    assert alarm.capital == pytest.approx(capital, rel=1e-9)


def test_the_distance_is_that_of_scipy() -> None:
    from scipy.stats import ks_2samp

    random = np.random.default_rng(3)
    calibration, new = np.sort(random.normal(size=30)), random.normal(0.3, size=150).round(1)
    alarm = DriftAlarm(calibration, 10.0, recent=50)
    for score in new:
        alarm.add(score)
    expected = ks_2samp(new[-50:], calibration[:-1], method="asymp").statistic
    assert alarm.distance == pytest.approx(expected)


def test_one_image_calibrates_and_hardly_tells() -> None:
    alarm = DriftAlarm([0.5], 0.5)
    for _ in range(20):
        alarm.add(0.4)
    assert alarm.since is None
    assert alarm.distance is None
    assert 0 < alarm.capital < 100


@pytest.mark.parametrize("count", [10_000])
def test_scores_that_jump_far_overflow_nothing(count: int) -> None:
    alarm = DriftAlarm(np.arange(50.0), 1e9)
    for number in range(count):
        alarm.add(100.0 + number)
    assert np.isfinite(alarm.capital)
    assert alarm.since is not None


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(InputError, match="between 0 and 1, got 1"):
        DriftAlarm([1.0], 1.0, 1.0)
    with pytest.raises(InputError, match="at least one number"):
        DriftAlarm([], 1.0)
    with pytest.raises(InputError, match="all of them finite"):
        DriftAlarm([np.nan], 1.0)
