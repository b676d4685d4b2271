"""The working point of eq. 8: the chi-square quantile."""

from __future__ import annotations

import math

import pytest
from scipy.stats import chi2

from nsa.errors import InputError
from nsa.gaussian import chi_square_threshold


@pytest.mark.parametrize("dimensions", [1, 16, 272, 2560])
@pytest.mark.parametrize("fpr", [0.317, 0.046, 0.003, 6e-5])
def test_chi_square_threshold_is_eq_8(fpr: float, dimensions: int) -> None:
    expected = math.sqrt(chi2.ppf(1 - fpr, dimensions))
    assert chi_square_threshold(fpr, dimensions) == pytest.approx(expected, rel=1e-9)


def test_chi_square_threshold_of_one_dimension_is_n_sigma() -> None:
    """Table IV: a rate of 31.7 % is one standard deviation, 6e-5 % five."""
    assert chi_square_threshold(0.317310507863, 1) == pytest.approx(1, rel=1e-9)
    assert chi_square_threshold(5.733031437584e-7, 1) == pytest.approx(5, rel=1e-9)


def test_the_upper_tail_keeps_its_precision() -> None:
    """Two dimensions have a closed form: the rate is exp(-distance^2 / 2)."""
    for fpr in (0.5, 1e-20, 1e-300):
        assert chi_square_threshold(fpr, 2) == pytest.approx(math.sqrt(-2 * math.log(fpr)))


def test_wrong_arguments() -> None:
    for fpr in (0.0, 1.0, -0.1, float("nan"), True):
        with pytest.raises(InputError, match="between 0 and 1"):
            chi_square_threshold(fpr, 3)
    with pytest.raises(InputError, match="dimensions must be at least 1"):
        chi_square_threshold(0.1, 0)
