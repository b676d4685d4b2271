"""Folds over the training set."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nsa.errors import InputError
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
    from sklearn.model_selection import KFold, StratifiedKFold  # slow to import

    classes = np.zeros(count, int) if labels is None else np.asarray(labels).astype(int)
    smallest = min(np.unique(classes, return_counts=True)[1], default=0)
    if not 2 <= number <= smallest:
        what = "images" if labels is None else "images of the smaller class"
        raise InputError(f"{number} folds need at least 2 and at most as many {what} ({smallest}).")
    splitter = (KFold if labels is None else StratifiedKFold)(
        number, shuffle=True, random_state=seed
    )
    return [(fit, held) for fit, held in splitter.split(np.zeros(count), classes)]


def fold_rows(count: int, number: int = 5, *, passes: int = 1, seed: int = 0) -> Iterator[Tensor]:
    """Per fold the rows to fit, int64, of features of ``count`` images.

    Args:
        passes: copies of the images, one pass after the other; an image's copies are all fitted,
            or none of them is.
    """
    for fit, _ in make_folds(count, number, seed=seed):
        rows = torch.arange(passes, device="cpu")[:, None] * count + torch.from_numpy(fit)
        yield rows.reshape(-1)


def column_aurocs(scores: Tensor, labels: npt.ArrayLike) -> list[float]:
    """Image AUROC of every level and, last, of the sum over levels.

    Args:
        scores: (images, levels).
        labels: (images,), 1 is defective.
    """
    columns = torch.cat([scores, scores.sum(1, keepdim=True)], 1)
    return [auroc(labels, column) for column in columns.T]
