"""Table IV: what the working point of eq. 8 achieves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from nsa.gaussian.detector import GaussianDetector
from nsa.metrics.conformal import achieved_rate


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


def working_level(network: str) -> int:
    """The level whose distance is thresholded, 1 is the first.

    The paper takes EfficientNet's level 7; of a ResNet it is the one that its Table VII shows
    best.
    """
    return 7 if network.startswith("efficientnet") else 4


def sigma_target(sigmas: int) -> float:
    """The share of a normal variable beyond so many standard deviations, on both sides."""
    return math.erfc(sigmas / math.sqrt(2))


SIGMAS = (1, 2, 3, 4, 5)


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
    for sigmas in SIGMAS:
        target = sigma_target(sigmas)
        threshold = detector.threshold(target, level, "chi-square")
        fpr, tpr = achieved_rate(good, threshold), achieved_rate(bad, threshold)
        rows.append(SigmaRates(sigmas, target, fpr, tpr))
    return rows
