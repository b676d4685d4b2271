"""The random numbers behind a plan."""

from __future__ import annotations

from collections.abc import Callable

import numba
import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from nsa.plan import rng

ALPHA = 1e-4
COUNT = 50_000


def draw(function: Callable[..., float], *arguments: float, seed: int = 5) -> npt.NDArray:
    """Many values of a generator from one stream."""

    @numba.njit
    def many(state: rng.State, seed: np.uint64) -> npt.NDArray:
        rng.seed_stream(state, seed, 3)
        values = np.empty(COUNT)
        for k in range(COUNT):
            values[k] = function(state, *arguments)
        return values

    return many(np.empty(4, np.uint64), np.uint64(seed))


@pytest.mark.parametrize(
    ("function", "arguments", "distribution"),
    [
        (rng.uniform, (), stats.uniform()),
        (rng.gamma2, (0.1,), stats.gamma(2, scale=0.1)),
        (rng.normal, (1.0, 0.5), stats.norm(1, 0.5)),
    ],
)
def test_follows_its_distribution(
    function: Callable[..., float], arguments: tuple[float, ...], distribution: stats.rv_frozen
) -> None:
    values = draw(function, *arguments)
    assert stats.kstest(values, distribution.cdf).pvalue > ALPHA
    # Neighbours are independent: a lag correlation has a deviation of 1 / sqrt(COUNT).
    assert abs(np.corrcoef(values[1:], values[:-1])[0, 1]) < 5 / np.sqrt(COUNT)


@pytest.mark.parametrize("bound", [1, 2, 3, 10, 97, 3 * 2**30])
def test_integers_are_unbiased(bound: int) -> None:
    values = draw(rng.below, bound)
    assert values.min() >= 0
    assert values.max() < bound
    assert np.array_equal(values, np.floor(values))
    bins = min(bound, 100)
    counts = np.bincount((values * bins // bound).astype(int), minlength=bins)
    assert bound == 1 or stats.chisquare(counts).pvalue > ALPHA


def test_a_coin_is_fair() -> None:
    heads = int(draw(rng.coin).sum())
    assert stats.binomtest(heads, COUNT).pvalue > ALPHA


def test_follows_the_published_algorithm() -> None:
    mask = 2**64 - 1

    def rotate(word: int, bits: int) -> int:
        return ((word << bits) | (word >> (64 - bits))) & mask

    state = np.array([1, 2, 3, 4], np.uint64)
    s = [1, 2, 3, 4]
    next_word = numba.njit(lambda state: rng.next_word(state))
    for _ in range(100):
        expected = (rotate((s[0] + s[3]) & mask, 23) + s[0]) & mask
        t = (s[1] << 17) & mask
        s[2] ^= s[0]
        s[3] ^= s[1]
        s[1] ^= s[2]
        s[0] ^= s[3]
        s[2] ^= t
        s[3] = rotate(s[3], 45)
        assert next_word(state) == expected


def test_streams_of_neighbouring_images_and_seeds_are_unrelated() -> None:
    @numba.njit
    def first_words(seeds: int, images: int) -> npt.NDArray:
        state = np.empty(4, np.uint64)
        values = np.empty((seeds, images))
        for seed in range(seeds):
            for image in range(images):
                rng.seed_stream(state, np.uint64(seed), image)
                values[seed, image] = rng.uniform(state)
        return values

    values = first_words(200, 200)
    assert len(np.unique(values)) == values.size
    assert stats.kstest(values.ravel(), "uniform").pvalue > ALPHA
    for one, other in ((values[1:], values[:-1]), (values[:, 1:], values[:, :-1])):
        assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 5 / 200
