"""Pixel thresholds from held-out normal maps, by simulation and by their definitions."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
import torch

from nsa.errors import InputError
from nsa.metrics import ConformalThreshold
from nsa.metrics.conformal_pixels import SHARES, PixelThresholds, map_levels

Maps = npt.NDArray[np.float32]
SIDE = 12


def draw(random: np.random.Generator, count: int) -> Maps:
    """Maps that differ in level and have spots, as those of normal images do: (count, 12, 12)."""
    level = random.gamma(2, 0.1, (count, 1, 1))
    spots = random.random((count, SIDE, SIDE)) < random.beta(1, 30, (count, 1, 1))
    return (level + spots * random.random((count, SIDE, SIDE))).astype(np.float32)


def thresholds(maps: Maps) -> PixelThresholds:
    return PixelThresholds(np.stack([map_levels(one) for one in maps]))


@pytest.mark.parametrize(("count", "rate"), [(19, 0.05), (19, 0.1), (30, 0.2)])
def test_rates_hold_by_simulation(fresh_seed: int, count: int, rate: float) -> None:
    """Over draws of held-out images; each is judged by another ten images."""
    random = np.random.default_rng(fresh_seed)
    repeats, any_pixel, share, exact = 1500, [], [], []
    for _ in range(repeats):
        held, new = draw(random, count), draw(random, 10)
        found = thresholds(held)
        any_pixel.append((new > found.for_images(rate)).any((1, 2)).mean())
        limit = found.for_pixels(rate)
        share.append((new > limit).mean())
        exact.append((held > limit).mean())
    # Maxima do not tie: the rate is floor(rate (n + 1)) / (n + 1).
    nominal = math.floor(rate * (count + 1) + 1e-9) / (count + 1)
    error = np.std(any_pixel) / math.sqrt(repeats)
    assert abs(np.mean(any_pixel) - nominal) < 4 * error
    # At most the rate, and not far below: what is taken for the new image is one share of n + 1.
    error = np.std(share) / math.sqrt(repeats)
    assert np.mean(share) < rate + 4 * error
    assert np.mean(share) > rate - 1.5 / (count + 1) - 0.05 * rate - 4 * error
    assert max(exact) <= (rate * (count + 1) - 1) / count + 1e-9


def test_the_pixel_threshold_by_its_definition(fresh_seed: int) -> None:
    """The smallest of all values that keeps the bound, with shares rounded up."""
    random = np.random.default_rng(fresh_seed)
    for count in (1, 2, 9, 24):
        maps = draw(random, count).round(2)  # ties, in an image and between images
        found = thresholds(maps)
        for rate in (1 / (count + 1), 1.7 / (count + 1), 0.6):
            if rate < 1 / (count + 1):
                continue
            fine = [
                value
                for value in np.unique(maps)
                if sum(_rounded_up(float((one > value).mean())) for one in maps) + 1
                <= rate * (count + 1) + 1e-9
            ]
            assert found.for_pixels(rate) == min(fine)
        # What sets the least rate possible is the largest value of all.
        assert found.for_pixels(1 / (count + 1)) == maps.max()


def _rounded_up(share: float) -> float:
    larger = SHARES[np.searchsorted(SHARES, share - 1e-12) :]
    return float(larger[0]) if len(larger) else 1.0


@pytest.mark.parametrize("shape", [(1, 1), (7, 1), (40, 31)])
def test_levels_by_their_definition(fresh_seed: int, shape: tuple[int, int]) -> None:
    one = np.random.default_rng(fresh_seed).normal(size=shape).astype(np.float32).round(1)
    levels = map_levels(one)
    assert levels.dtype == np.float32
    assert levels[0] == one.max()
    for share, level in zip(SHARES, levels, strict=True):
        assert (one > level).mean() <= share + 1e-9
        assert level in one
        lower = one[one < level]
        assert not lower.size or (one > lower.max()).mean() > share


def test_images_have_the_threshold_of_their_maxima(fresh_seed: int) -> None:
    maps = draw(np.random.default_rng(fresh_seed), 39)
    for rate in (0.025, 0.1):
        found = thresholds(maps).for_images(rate)
        assert found == ConformalThreshold(maps.max((1, 2))).threshold(rate)
        above = (maps > found).any((1, 2)).sum()
        assert above == round(rate * 40) - 1


def test_shares_are_overestimated_by_little() -> None:
    assert SHARES[0] == 0
    assert SHARES[1] < 1e-6
    assert SHARES[-1] == 0.5
    assert (SHARES[2:] / SHARES[1:-1]).max() < 1.045


def test_what_cannot_be_set_is_said() -> None:
    found = thresholds(draw(np.random.default_rng(0), 19))
    assert found.smallest_rate == pytest.approx(0.05)
    for kind in (found.for_images, found.for_pixels):
        with pytest.raises(
            InputError, match=r"by 19 held-out .* 1/20 = 0\.05; hold out at least 9"
        ):
            kind(0.01)
        for rate in (0.0, 1.0, math.nan, -1.0):
            with pytest.raises(InputError, match="must be between 0 and 1"):
                kind(rate)
    good = torch.zeros(3, len(SHARES))
    assert PixelThresholds(good).for_pixels(0.5) == 0
    for levels in (good[:0], good[0], good[:, 1:]):
        with pytest.raises(InputError, match=r"levels must be \(n, "):
            PixelThresholds(levels)
    rising = good.clone()
    rising[1, 5] = 1.0
    for levels in (rising, good / 0):
        with pytest.raises(InputError, match="finite and descend"):
            PixelThresholds(levels)
