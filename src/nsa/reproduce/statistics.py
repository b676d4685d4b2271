"""Mean, standard error, and the paired test between systems."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

Key = tuple[str, int]
"""Category and seed."""


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds; ``error`` is None for a single seed. Same unit as what it was made of."""

    mean: float
    error: float | None
    count: int


def estimate(values: Sequence[float]) -> Estimate:
    """Mean and standard error: the sample standard deviation (ddof 1) over the root of n.

    Raises:
        ValueError: there is no value.
    """
    if not values:
        raise ValueError("an estimate needs at least one value")
    count = len(values)
    error = float(np.std(values, ddof=1)) / math.sqrt(count) if count > 1 else None
    return Estimate(float(np.mean(values)), error, count)


def average_over(
    categories: Iterable[str], by_category: Mapping[str, Mapping[int, float]]
) -> Estimate | None:
    """The average over categories with its standard error over seeds, as the paper's averages.

    Every seed is averaged over the categories first. A seed counts only if all categories have it,
    or the average would shift with what happens to be finished.

    Args:
        categories: which to average.
        by_category: category -> seed -> value.

    Returns:
        None where no seed has all categories.
    """
    columns = [by_category.get(category, {}) for category in categories]
    if not columns:
        return None
    seeds = sorted(set.intersection(*(set(column) for column in columns)))
    if not seeds:
        return None
    return estimate([float(np.mean([column[seed] for column in columns])) for seed in seeds])


@dataclass(frozen=True)
class PairedTest:
    """Wilcoxon's signed-rank test between two systems, two-sided.

    Attributes:
        first, second: systems.
        pairs: how many (category, seed) pairs both have.
        median: of the differences first - second.
        p: chance of differences at least as lopsided if the systems were equal; None where fewer
            than :data:`FEWEST_PAIRS` pairs differ. Not adjusted.
        adjusted: ``p`` after Holm's correction for all the tests made together.
    """

    first: str
    second: str
    pairs: int
    median: float
    p: float | None
    adjusted: float | None = None


FEWEST_PAIRS = 6
"""With five pairs even the most lopsided outcome has p = 0.0625."""


def paired_tests(values: Mapping[str, Mapping[Key, float]]) -> list[PairedTest]:
    """Compare every two systems on the categories and seeds that both have.

    A pair is one category with one seed, so that easy and hard categories do not add to the
    spread. Ranks of differences are used because these are far from normal: most categories are
    near 100 %. Equal results count for neither side (Wilcoxon's own treatment of zeros). Seeds of
    one category share its test images, so pairs are not fully independent and a p close to the
    limit deserves caution.

    Args:
        values: system -> (category, seed) -> metric.
    """
    tests = [_compare(a, b, values[a], values[b]) for a, b in combinations(values, 2)]
    return _holm([test for test in tests if test.pairs])


def _compare(
    first: str, second: str, one: Mapping[Key, float], other: Mapping[Key, float]
) -> PairedTest:
    from scipy.stats import wilcoxon  # slow to import

    keys = [key for key in one if key in other]
    differences = np.array([one[key] - other[key] for key in keys], dtype=np.float64)
    # What is equal in theory, such as 1.0 reached in two ways, must not be ranked by its rounding.
    differences[np.abs(differences) < 1e-12] = 0
    p = None
    if np.count_nonzero(differences) >= FEWEST_PAIRS:
        p = float(wilcoxon(differences[differences != 0]).pvalue)
    median = float(np.median(differences)) if keys else 0.0
    return PairedTest(first, second, len(keys), median, p)


def _holm(tests: list[PairedTest]) -> list[PairedTest]:
    done = sorted((t.p, i) for i, t in enumerate(tests) if t.p is not None)
    adjusted: dict[int, float] = {}
    largest = 0.0
    for rank, (p, index) in enumerate(done):
        largest = max(largest, min(1.0, p * (len(done) - rank)))
        adjusted[index] = largest
    return [
        PairedTest(t.first, t.second, t.pairs, t.median, t.p, adjusted.get(i))
        for i, t in enumerate(tests)
    ]
