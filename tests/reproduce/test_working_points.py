"""Table IV: what the working point of eq. 8 achieves, by simulation."""

from __future__ import annotations

import math

import pytest
import torch

from nsa.gaussian import GaussianDetector, chi_square_threshold
from nsa.reproduce.gaussian.working_points import sigma_rates


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
