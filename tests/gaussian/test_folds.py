"""Folds over the images, and over their augmented copies."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nsa.errors import InputError
from nsa.gaussian import make_folds
from nsa.gaussian.folds import column_aurocs, fold_rows
from nsa.metrics import auroc


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


def test_rows_of_augmented_copies_follow_their_images() -> None:
    plain = list(fold_rows(23, 5, seed=1))
    assert [rows.tolist() for rows in plain] == [fit.tolist() for fit, _ in make_folds(23, seed=1)]
    for rows, thrice in zip(plain, fold_rows(23, 5, passes=3, seed=1), strict=True):
        assert thrice.tolist() == [*rows, *(rows + 23), *(rows + 46)]


def test_column_aurocs() -> None:
    labels = np.arange(30) >= 15
    scores = torch.randn(30, 3, generator=torch.Generator().manual_seed(0)).double()
    scores += torch.from_numpy(labels)[:, None]
    found = column_aurocs(scores, labels)
    assert found[:3] == [auroc(labels, scores[:, level]) for level in range(3)]
    assert found[3] == auroc(labels, scores.sum(1))
