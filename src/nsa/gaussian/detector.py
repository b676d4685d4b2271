"""The detector: one distribution per level of a network, and the sum of their distances."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy.typing as npt
import torch
from torch import Tensor

from nsa.errors import InputError
from nsa.gaussian.augmented_images import augmented_features
from nsa.gaussian.distributions import (
    Distribution,
    DistributionName,
    Shrinkage,
    fit_distribution,
)
from nsa.gaussian.features import FeatureExtractor, Features, check_images
from nsa.gaussian.map_model import MapModel
from nsa.gaussian.map_moments import MapMoments
from nsa.gaussian.pipelines import Pipeline
from nsa.metrics import ConformalThreshold, achieved_rate

Method = Literal["auto", "chi-square", "conformal"]


@dataclass(frozen=True)
class WorkingPoint:
    """A threshold and what is known of it.

    Attributes:
        threshold: a score above it is called defective.
        fpr: the false positive rate that was asked for.
        method: ``"chi-square"`` or ``"conformal"``.
        level: the level whose distance it is for, 1 is the first; None: the sum over levels.
        achieved: share above the threshold among held-out normal images; None where there are none
            that the threshold was not made from.
        held_out: number of these images.
    """

    threshold: float
    fpr: float
    method: str
    level: int | None
    achieved: float | None
    held_out: int


class GaussianDetector:
    """Multivariate Gaussians in the features of a network that was trained for something else.

    >>> detector = GaussianDetector(FeatureExtractor.load("efficientnet_b4"))
    >>> detector.fit(normal_images, holdout=0.2)
    >>> defective = detector.score(images) > detector.threshold(fpr=0.05)

    Args:
        extractor: from images to features; None: the detector takes features only.
        distribution: model of each level, one of :data:`nsa.gaussian.DISTRIBUTIONS`.
        shrinkage: rho of eq. 6, or ``"ledoit-wolf"``.

    Attributes:
        levels: the fitted distributions, first level first; empty before :meth:`fit`.
        calibration: float64 (n, levels), distances of held-out normal images; None if there
            are none.
        held_out: int64 (n,), the rows of the data that :meth:`fit` held out; None: not known.
        heat_map: the model of :func:`nsa.gaussian.map_model.fit_map`, if one was fitted with it.
    """

    def __init__(
        self,
        extractor: FeatureExtractor | None = None,
        distribution: DistributionName = "full",
        *,
        shrinkage: Shrinkage = "ledoit-wolf",
    ) -> None:
        self.extractor = extractor
        self.distribution: DistributionName = distribution
        self.shrinkage: Shrinkage = shrinkage
        self.levels: list[Distribution] = []
        self.calibration: Tensor | None = None
        self.held_out: Tensor | None = None
        self.heat_map: MapModel | None = None

    def fit(
        self,
        data: Tensor | Sequence[Tensor],
        *,
        holdout: float = 0.0,
        augmentation: Pipeline | None = None,
        passes: int = 100,
        seed: int = 0,
        moments: MapMoments | None = None,
        further: int = 0,
    ) -> GaussianDetector:
        """Fit every level on normal images.

        Args:
            data: uint8 images (N, C, H, W), or features, one floating tensor (N, channels) per
                level.
            holdout: share of the images, chosen by ``seed``, that is not fitted but kept to set
                and check working points (see :meth:`calibrate`). Equal images then count once,
                so that none is on both sides.
            augmentation: fit on augmented copies of the images; held-out ones are never augmented.
            passes: augmented copies of each image; only with ``augmentation``.
            seed: fixes the held-out images and the augmentation.
            moments: count the heat maps' features of what is fitted too; see
                :func:`nsa.gaussian.map_model.fit_map`.
            further: so many of the images, the last, are fitted whatever is held out; ``holdout``
                is a share of the others.

        Raises:
            InputError: the data is wrong, ``holdout`` leaves too few images, augmentation or heat
                maps are asked for on features, or a level cannot be fitted (see
                :func:`fit_distribution`).
        """
        if not 0 <= holdout < 1:
            raise InputError(f"holdout must be at least 0 and below 1, got {holdout!r}.")
        count = _length(data)
        rows = different_rows(data) if holdout else range(count)
        own = [row for row in rows if row < count - further]
        fitted, held = split_rows(own, holdout, seed)
        fitted = torch.cat(
            [fitted, torch.as_tensor(rows[len(own) :], dtype=torch.int64, device="cpu")]
        )
        if (augmentation or moments) and not (isinstance(data, Tensor) and self.extractor):
            raise InputError(
                "Augmentation and heat maps take images and a network; features were given."
            )
        if augmentation is None:
            features = self._features(_take(data, fitted), moments)
        else:
            assert isinstance(data, Tensor)
            assert self.extractor is not None
            features = augmented_features(
                self.extractor, data[fitted], augmentation, passes=passes, seed=seed,
                moments=moments,
            )  # fmt: skip
        kept = self._features(_take(data, held)) if len(held) else None
        levels = []
        for number, level in enumerate(features, 1):
            try:
                levels.append(fit_distribution(level, self.distribution, shrinkage=self.shrinkage))
            except InputError as error:
                raise InputError(f"Level {number} cannot be fitted: {error}") from error
        self.levels = levels
        self.calibration = self.level_scores(kept) if kept else None
        self.held_out = held if kept else None
        return self

    def calibrate(self, data: Tensor | Sequence[Tensor]) -> GaussianDetector:
        """Keep the distances of normal images that were not fitted, for working points.

        Args:
            data: images or features as in :meth:`fit`; they replace earlier ones.
        """
        self.calibration = self.level_scores(data)
        self.held_out = None
        return self

    def level_scores(self, data: Tensor | Sequence[Tensor]) -> Tensor:
        """Distance from normal at every level.

        Args:
            data: images or features as in :meth:`fit`.

        Returns:
            float64 (N, levels).

        Raises:
            InputError: the detector is not fitted, or the data is wrong.
        """
        if not self.levels:
            raise InputError("The detector is not fitted; call fit with normal images first.")
        features = self._features(data)
        if len(features) != len(self.levels):
            raise InputError(
                f"Features of {len(self.levels)} levels are needed, got {len(features)}."
            )
        pairs = zip(self.levels, features, strict=True)
        return torch.stack([level.distance(values) for level, values in pairs], 1)

    def score(self, data: Tensor | Sequence[Tensor], level: int | None = None) -> Tensor:
        """Anomaly score of each image, float64 (N,).

        Args:
            data: images or features as in :meth:`fit`.
            level: 1 for the first; None: the unweighted sum over all levels.
        """
        return self._reduce(self.level_scores(data), level)

    def working_point(
        self,
        fpr: float,
        level: int | None = None,
        method: Method = "auto",
        *,
        held_out: npt.ArrayLike | Tensor | None = None,
    ) -> WorkingPoint:
        """The threshold for a wanted false positive rate.

        Args:
            fpr: wanted share of normal images called defective.
            level: see :meth:`score`.
            method: ``"chi-square"`` is eq. 8, for single levels and from the fitted images alone;
                ``"conformal"`` uses the held-out normal images and holds for any score; ``"auto"``
                is the first where it is defined, else the second.
            held_out: scores of further normal images, to report the achieved rate.

        Raises:
            InputError: the rate cannot be set, the level does not exist, or the method needs
                held-out normal images and there are none.
        """
        if not self.levels:
            raise InputError("The detector is not fitted; call fit with normal images first.")
        if method not in ("auto", "chi-square", "conformal"):
            raise InputError(f"method must be 'auto', 'chi-square' or 'conformal', got {method!r}.")
        calibration = None if self.calibration is None else self._reduce(self.calibration, level)
        if method == "auto":
            conformal = level is None or self.distribution == "l2"
            method = "conformal" if conformal else "chi-square"
        if method == "chi-square":
            if level is None:
                raise InputError(
                    "The sum over levels follows no chi-square distribution; name a level, or use "
                    "the method 'conformal' with held-out normal images."
                )
            threshold = self._level(level).threshold(fpr)
            held_out = calibration if held_out is None else held_out
        else:
            if calibration is None:
                raise InputError(
                    "A conformal working point needs normal images that were not fitted; fit with "
                    "a holdout, or call calibrate."
                )
            threshold = ConformalThreshold(calibration).threshold(fpr)
        achieved = None if held_out is None else achieved_rate(held_out, threshold)
        count = 0 if held_out is None else len(torch.as_tensor(held_out, device="cpu").reshape(-1))
        return WorkingPoint(threshold, fpr, method, level, achieved, count)

    def threshold(self, fpr: float, level: int | None = None, method: Method = "auto") -> float:
        """The threshold of :meth:`working_point`: a score above it is called defective."""
        return self.working_point(fpr, level, method).threshold

    def _features(
        self, data: Tensor | Sequence[Tensor], moments: MapMoments | None = None
    ) -> Features:
        if not isinstance(data, Tensor):
            return list(data)
        if self.extractor is None:
            raise InputError("This detector has no network: give features, one tensor per level.")
        return self.extractor(data, moments)

    def _level(self, level: int) -> Distribution:
        if not 1 <= level <= len(self.levels):
            raise InputError(f"level must be from 1 to {len(self.levels)}, got {level!r}.")
        return self.levels[level - 1]

    def _reduce(self, scores: Tensor, level: int | None) -> Tensor:
        if level is None:
            return scores.sum(1)
        self._level(level)
        return scores[:, level - 1]


def _length(data: Tensor | Sequence[Tensor]) -> int:
    if isinstance(data, Tensor):
        check_images(data)
        return len(data)
    if len(data) == 0 or len({len(level) for level in data}) != 1:
        raise InputError("Features must be one tensor per level, with the same images in each.")
    return len(data[0])


def _take(data: Tensor | Sequence[Tensor], rows: Tensor) -> Tensor | list[Tensor]:
    """Some images, or their features."""
    return data[rows] if isinstance(data, Tensor) else [level[rows] for level in data]


def different_rows(data: Tensor | Sequence[Tensor]) -> list[int]:
    """The rows of images or features that equal no earlier one."""
    levels = [data] if isinstance(data, Tensor) else data
    first: dict[bytes, int] = {}
    for row in range(len(levels[0])):
        digest = hashlib.sha256()
        for level in levels:
            digest.update(level[row].detach().cpu().contiguous().view(torch.uint8).numpy().data)
        first.setdefault(digest.digest(), row)
    return list(first.values())


def split_rows(rows: Sequence[int], holdout: float, seed: int) -> tuple[Tensor, Tensor]:
    """Rows to fit and rows to hold out, each in their original order.

    Raises:
        InputError: ``holdout`` leaves no row to fit.
    """
    count = len(rows)
    held = round(count * holdout)
    if held == count:
        raise InputError(f"A holdout of {holdout:g} leaves none of {count} images to fit.")
    order = torch.randperm(count, generator=torch.Generator("cpu").manual_seed(seed), device="cpu")
    chosen = torch.as_tensor(rows, device="cpu")
    return chosen[order[held:].sort().values], chosen[order[:held].sort().values]
