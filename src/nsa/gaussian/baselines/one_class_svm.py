"""One-class support vector machines on the same features, one per level."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from sklearn.svm import OneClassSVM
from torch import Tensor

from nsa.errors import InputError
from nsa.gaussian.features import FeatureExtractor


class OneClassSVMDetector:
    """An RBF one-class SVM per level; the sum of their scores is the image score.

    Args:
        extractor: from images to features; None: features only.
        nu: bound on the share of training images outside; scikit-learn's default.
        gamma: width of the kernel, ``"scale"`` or ``"auto"`` as in scikit-learn, or a number.
    """

    def __init__(
        self,
        extractor: FeatureExtractor | None = None,
        *,
        nu: float = 0.5,
        gamma: float | str = "scale",
    ) -> None:
        if not 0 < nu <= 1:
            raise InputError(f"nu must be above 0 and at most 1, got {nu!r}.")
        self.extractor = extractor
        self.nu = nu
        self.gamma = gamma
        self.levels: list[OneClassSVM] = []

    def fit(self, data: Tensor | Sequence[Tensor]) -> OneClassSVMDetector:
        """Fit on normal uint8 images (N, C, H, W), or features, one tensor (N, channels) per level.

        Raises:
            InputError: images are given without a network, or a level's features never vary.
        """
        levels = []
        for number, level in enumerate(self._features(data), 1):
            values = level.double().numpy()
            if self.gamma == "scale" and values.var() == 0:
                raise InputError(f"Level {number} has the same features in all images.")
            levels.append(OneClassSVM(kernel="rbf", nu=self.nu, gamma=self.gamma).fit(values))
        self.levels = levels
        return self

    def level_scores(self, data: Tensor | Sequence[Tensor]) -> Tensor:
        """Minus the signed distance to the boundary, float64 (N, levels)."""
        if not self.levels:
            raise InputError("The detector is not fitted; call fit with normal images first.")
        pairs = zip(self.levels, self._features(data), strict=True)
        columns = [-svm.decision_function(level.double().numpy()) for svm, level in pairs]
        return torch.from_numpy(np.stack(columns, 1))

    def score(self, data: Tensor | Sequence[Tensor]) -> Tensor:
        """Sum of the levels' scores, float64 (N,)."""
        return self.level_scores(data).sum(1)

    def _features(self, data: Tensor | Sequence[Tensor]) -> Sequence[Tensor]:
        if not isinstance(data, Tensor):
            return data
        if self.extractor is None:
            raise InputError("This detector has no network: give features, one tensor per level.")
        return self.extractor(data)
