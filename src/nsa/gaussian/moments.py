"""Mean, covariance and Ledoit-Wolf shrinkage, accumulated block by block in float64."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

_BLOCK = 4096


@dataclass(frozen=True)
class Moments:
    """What a Gaussian needs to know of its data.

    Attributes:
        count: observations n.
        mean: float64 (D,).
        covariance: float64 (D, D), divided by n (as scikit-learn's estimators have it).
        fourth: mean over the observations of ``||x - mean||^4``.
    """

    count: int
    mean: Tensor
    covariance: Tensor
    fourth: float


def moments(features: Tensor, basis: Tensor | None = None) -> Moments:
    """Accumulate the moments of observations.

    The observations may stay in float32: one block of 4096 at a time is converted, so that a
    hundred augmented passes over the training set need no second copy of its features.

    Args:
        features: (n, D), any floating dtype, n at least 1.
        basis: float64 (D, k) with orthonormal columns; if given, the moments are those of the
            coordinates in it.
    """
    mean = torch.zeros(features.shape[1], dtype=torch.float64, device="cpu")
    for block in torch.split(features, _BLOCK):
        mean += block.sum(0, dtype=torch.float64)
    mean /= len(features)
    dimensions = features.shape[1] if basis is None else basis.shape[1]
    scatter = torch.zeros(dimensions, dimensions, dtype=torch.float64, device="cpu")
    fourth = 0.0
    for block in torch.split(features, _BLOCK):
        centred = block.double() - mean
        if basis is not None:
            centred = centred @ basis
        scatter += centred.T @ centred
        fourth += float(centred.square().sum(1).square().sum())
    if basis is not None:
        mean = mean @ basis
    return Moments(len(features), mean, scatter / len(features), fourth / len(features))


def ledoit_wolf(data: Moments) -> float:
    """Shrinkage intensity rho in [0, 1] of eq. 6 that minimises the expected squared error.

    The closed form of Ledoit and Wolf (2004), from the moments alone: with the covariance S, its
    mean variance m = tr(S) / D and the squared distance d = ||S - m I||^2 to the target, the
    expected squared error of S is estimated by b = (E||x - mean||^4 - ||S||^2) / n, and
    rho = min(b, d) / d.
    """
    dimensions = len(data.mean)
    squared = float(data.covariance.square().sum())
    mean_variance = float(data.covariance.trace()) / dimensions
    distance = squared - dimensions * mean_variance**2
    error = max(data.fourth - squared, 0.0) / data.count
    # One feature, or equal variances without correlation: S is its own target.
    if distance <= torch.finfo(torch.float64).eps * squared:
        return 0.0
    return min(error / distance, 1.0)


def shrink(covariance: Tensor, shrinkage: float) -> Tensor:
    """Eq. 6: ``(1 - rho) S + rho tr(S) / D I``."""
    target = covariance.trace() / len(covariance)
    shrunk = (1 - shrinkage) * covariance
    shrunk.diagonal().add_(shrinkage * target)
    return shrunk
