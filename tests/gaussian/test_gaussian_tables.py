"""Rows of the paper's tables from measurements."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from nsa.errors import InputError
from nsa.gaussian import GaussianDetector, chi_square_threshold
from nsa.gaussian.tables import level_column, sigma_rates


def test_level_column_is_over_categories() -> None:
    one, other = np.array([[0.8, 0.9], [0.6, 0.9]]), np.array([[0.9, 1.0], [0.9, 0.9]])
    first, total = level_column([one, other])
    assert first.mean == pytest.approx(80)
    assert first.sem == pytest.approx(10)
    assert total.mean == pytest.approx(92.5)


def test_level_column_of_one_category_is_over_its_folds() -> None:
    (found,) = level_column([[[0.8], [0.9], [1.0]]])
    assert found.mean == pytest.approx(90)
    assert found.sem == pytest.approx(10 / math.sqrt(3))


def test_level_column_refuses_different_networks() -> None:
    with pytest.raises(InputError, match="same levels"):
        level_column([np.ones((5, 6)), np.ones((5, 10))])


def test_sigma_rates() -> None:
    rng = torch.Generator().manual_seed(0)
    detector = GaussianDetector().fit([torch.randn(20_000, 3, generator=rng)] * 2)
    normal = [torch.randn(20_000, 3, generator=rng)] * 2
    defective = [level + 3 for level in normal]
    rows = sigma_rates(detector, normal, defective, level=2)
    assert [row.sigmas for row in rows] == [1, 2, 3, 4, 5]
    # The column "Target FPR" of Table IV, in percent.
    for row, percent in zip(rows, (31.7, 4.6, 0.3, 6e-3, 6e-5), strict=True):
        assert 100 * row.target == pytest.approx(percent, rel=0.12)
        error = math.sqrt(row.target * (1 - row.target) / 20_000)
        assert abs(row.fpr - row.target) < 4 * error + 0.02 * row.target
    threshold = chi_square_threshold(rows[1].target, 3)
    above = detector.score(defective, level=2) > threshold
    assert rows[1].tpr == above.double().mean().item()
