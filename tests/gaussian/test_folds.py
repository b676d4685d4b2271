"""Folds, and the standard error as the paper's own tables have it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from nsa.errors import InputError
from nsa.gaussian import GaussianDetector, fold_aurocs, make_folds, mean_and_sem
from nsa.metrics import auroc


def test_one_value_has_no_error() -> None:
    found = mean_and_sem([0.5])
    assert found.mean == 0.5
    assert math.isnan(found.sem)
    with pytest.raises(InputError, match="at least one value"):
        mean_and_sem([])


def test_folds_partition_the_images() -> None:
    folds = make_folds(23, 5, seed=1)
    assert sorted(np.concatenate([held for _, held in folds])) == list(range(23))
    for fit, held in folds:
        assert sorted([*fit, *held]) == list(range(23))
        assert len(held) in (4, 5)
    same, other = make_folds(23, 5, seed=1), make_folds(23, 5, seed=2)
    assert all(np.array_equal(a[1], b[1]) for a, b in zip(folds, same, strict=True))
    assert not all(np.array_equal(a[1], b[1]) for a, b in zip(folds, other, strict=True))


def test_stratified_folds_keep_the_share_of_defects() -> None:
    labels = np.arange(50) < 10
    assert [labels[held].sum() for _, held in make_folds(50, 5, labels=labels)] == [2] * 5


def test_too_few_images() -> None:
    with pytest.raises(InputError, match=r"as many images \(3\)"):
        make_folds(3, 5)
    with pytest.raises(InputError, match=r"of the smaller class \(2\)"):
        make_folds(20, 5, labels=np.arange(20) < 2)


def test_fold_aurocs() -> None:
    rng = torch.Generator().manual_seed(0)
    train = [torch.randn(40, d, generator=rng) for d in (3, 5)]
    labels = np.arange(30) >= 15
    test = [
        torch.randn(30, d, generator=rng) + 2.0 * torch.from_numpy(labels)[:, None] for d in (3, 5)
    ]
    found = fold_aurocs(train, test, labels, folds=4, seed=2)
    assert found.shape == (4, 3)
    fit = torch.from_numpy(make_folds(40, 4, seed=2)[1][0])
    detector = GaussianDetector().fit([level[fit] for level in train])
    assert found[1, 0] == auroc(detector.score(test, level=1), labels)
    assert found[1, 2] == auroc(detector.score(test), labels)
