"""From what was measured per category to the rows that the paper's tables print."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import Tensor

from nsa.errors import InputError
from nsa.gaussian.detector import GaussianDetector
from nsa.gaussian.folds import MeanAndError, mean_and_sem
from nsa.gaussian.threshold import achieved_rate


def level_column(categories: Sequence[npt.ArrayLike]) -> list[MeanAndError]:
    """One column of Tables I, II, III and VII: AUROC in percent by level, the sum last.

    Args:
        categories: per category the array (folds, levels + 1) of
            :func:`nsa.gaussian.folds.fold_aurocs`.

    Returns:
        Mean and standard error over categories, each the mean of its folds; for a single category
        over its folds.

    Raises:
        InputError: there is no category, or they differ in their number of levels.
    """
    arrays = [np.atleast_2d(np.asarray(folds, dtype=np.float64)) for folds in categories]
    if not arrays or len({array.shape[1] for array in arrays}) != 1:
        raise InputError("A column needs at least one category, with the same levels in each.")
    rows = np.stack([array.mean(0) for array in arrays]) if len(arrays) > 1 else arrays[0]
    return [mean_and_sem(100 * column) for column in rows.T]


@dataclass(frozen=True)
class SigmaRates:
    """One row of Table IV; rates are fractions.

    Attributes:
        sigmas: n; the wanted rate is that of a normal variable beyond n standard deviations.
        target: the wanted false positive rate.
        fpr, tpr: achieved on normal and on defective images.
    """

    sigmas: int
    target: float
    fpr: float
    tpr: float


def sigma_rates(
    detector: GaussianDetector,
    normal: Tensor | Sequence[Tensor],
    defective: Tensor | Sequence[Tensor],
    level: int = 7,
) -> list[SigmaRates]:
    """Table IV: rates achieved by the working point of eq. 8 at 1 to 5 standard deviations.

    Args:
        detector: fitted; the paper fits on augmented images.
        normal, defective: test images, or features, one tensor per level.
        level: the level whose distance is thresholded, 1 is the first; the paper's is 7.

    Raises:
        InputError: the level does not exist, or its distance follows no chi-square distribution.
    """
    good, bad = detector.score(normal, level), detector.score(defective, level)
    rows = []
    for sigmas in range(1, 6):
        target = math.erfc(sigmas / math.sqrt(2))
        threshold = detector.threshold(target, level, "chi-square")
        fpr, tpr = achieved_rate(good, threshold), achieved_rate(bad, threshold)
        rows.append(SigmaRates(sigmas, target, fpr, tpr))
    return rows
