"""Folds over the training set, and the mean with its standard error, as the paper prints them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from sklearn.model_selection import KFold, StratifiedKFold
from torch import Tensor

from nsa.errors import InputError
from nsa.gaussian.detector import GaussianDetector
from nsa.metrics import auroc

Indices = npt.NDArray[np.int64]
Fold = tuple[Indices, Indices]


def make_folds(
    count: int, number: int = 5, *, seed: int = 0, labels: npt.ArrayLike | None = None
) -> list[Fold]:
    """Split images into folds, at random but fixed by ``seed``.

    Args:
        count: number of images.
        number: of folds, at least 2.
        labels: (count,); if given, every fold holds about the same share of each class.

    Returns:
        Per fold the indices of the other folds' images (to fit) and of its own (held out), sorted.

    Raises:
        InputError: there are fewer images, or images of a class, than folds.
    """
    classes = np.zeros(count, int) if labels is None else np.asarray(labels).astype(int)
    smallest = min(np.unique(classes, return_counts=True)[1], default=0)
    if not 2 <= number <= smallest:
        what = "images" if labels is None else "images of the smaller class"
        raise InputError(f"{number} folds need at least 2 and at most as many {what} ({smallest}).")
    kind = KFold if labels is None else StratifiedKFold
    splitter = kind(number, shuffle=True, random_state=seed)
    return [(fit, held) for fit, held in splitter.split(np.zeros(count), classes)]


def fold_aurocs(
    train: Sequence[Tensor],
    test: Sequence[Tensor],
    labels: npt.ArrayLike,
    kind: str = "mahalanobis",
    *,
    folds: int = 5,
    seed: int = 0,
) -> npt.NDArray[np.float64]:
    """Image AUROC per level and of the sum, fitted on all but one fold at a time.

    Args:
        train, test: features, one tensor per level.
        labels: (images of ``test``,), 1 is defective.
        kind: see :data:`nsa.gaussian.distributions.KINDS`.

    Returns:
        float64 (folds, levels + 1), fractions; the last column is the sum over levels.
    """
    rows = []
    for fit, _ in make_folds(len(train[0]), folds, seed=seed):
        chosen = torch.from_numpy(fit)
        detector = GaussianDetector(kind=kind).fit([level[chosen] for level in train])
        scores = detector.level_scores(test)
        columns = torch.cat([scores, scores.sum(1, keepdim=True)], 1)
        rows.append([auroc(column, labels) for column in columns.T])
    return np.array(rows)


@dataclass(frozen=True)
class MeanAndError:
    """A mean with its standard error (NaN for a single value)."""

    mean: float
    sem: float


def mean_and_sem(values: npt.ArrayLike) -> MeanAndError:
    """Mean and standard error of the mean, ``s / sqrt(n)`` with the n - 1 standard deviation.

    The paper's tables take it over the categories, each by the mean of its folds: so its Table VIII
    gives the errors of Table V.

    Raises:
        InputError: there is no value.
    """
    numbers = np.asarray(values, dtype=np.float64).reshape(-1)
    if not len(numbers):
        raise InputError("A mean needs at least one value.")
    error = numbers.std(ddof=1) / math.sqrt(len(numbers)) if len(numbers) > 1 else math.nan
    return MeanAndError(float(numbers.mean()), float(error))
