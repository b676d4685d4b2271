"""Models of one level's normal features and the distance of a feature vector from them.

Every one of them is ``||W (x - mean)||`` with another W (Section III and eq. 9 of the paper):

================  ================================================================================
``full``          Mahalanobis distance: full covariance with Ledoit-Wolf shrinkage, eq. 2 and 6
``standardised``  every feature divided by its own standard deviation, eq. 9
``l2``            no scaling: the distance from the mean
``pca95``,        Mahalanobis distance in the fewest leading principal components that hold 95 or
``pca99``         99 % of the variance
``npca1``,        Mahalanobis distance in the most trailing principal components that together hold
``npca01``,       at most 1, 0.1 or 0.01 % of the variance
``npca001``
================  ================================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from nsa.errors import InputError
from nsa.gaussian.chi_square import chi_square_threshold
from nsa.gaussian.moments import Moments, ledoit_wolf, moments, shrink

DistributionName = Literal[
    "full", "standardised", "l2", "pca95", "pca99", "npca1", "npca01", "npca001"
]
DISTRIBUTIONS: tuple[DistributionName, ...] = get_args(DistributionName)
Shrinkage = float | Literal["ledoit-wolf"]

# Shares of the variance that the leading components reach, and that the trailing ones stay within.
_LEADING = {"pca95": 0.95, "pca99": 0.99}
_TRAILING = {"npca1": 0.01, "npca01": 0.001, "npca001": 0.0001}

# Below this share of its magnitude a feature's deviation is the rounding of float32.
_CONSTANT = 8 * torch.finfo(torch.float32).eps
# Ledoit-Wolf may find next to no shrinkage in many images with a feature that never varies; this
# keeps the factorisation away from singular and is far below what shrinkage usually is (> 1e-4).
_LEAST_SHRINKAGE = 1e-10


@dataclass(frozen=True)
class Distribution:
    """A fitted model of normal features; all tensors are float64 on the CPU.

    Attributes:
        name: one of :data:`DISTRIBUTIONS`.
        mean: (D,).
        basis: (D, k), the retained principal components in columns; None: all D dimensions.
        factor: (k, k), lower Cholesky factor of the covariance in the retained dimensions; None for
            ``standardised`` and ``l2``.
        scale: (D,), one over the standard deviations, 0 for a feature that never varied; only for
            ``standardised``.
        shrinkage: the rho of eq. 6 that was used; 0 where there is no covariance.
    """

    name: DistributionName
    mean: Tensor
    basis: Tensor | None = None
    factor: Tensor | None = None
    scale: Tensor | None = None
    shrinkage: float = 0.0

    @property
    def dimensions(self) -> int:
        """Dimensions that the distance sees: the degrees of freedom D of eq. 7."""
        if self.basis is not None:
            return self.basis.shape[1]
        if self.scale is not None:
            return int((self.scale > 0).sum())
        return len(self.mean)

    def distance(self, features: Tensor) -> Tensor:
        """Distance of each feature vector from the mean, the anomaly score of the level.

        Args:
            features: (N, D), any floating dtype.

        Returns:
            float64 (N,).

        Raises:
            InputError: the number of features is another than in fitting.
        """
        if features.ndim != 2 or features.shape[1] != len(self.mean):
            raise InputError(
                f"features must have the shape (N, {len(self.mean)}), got {tuple(features.shape)}."
            )
        white = features.double() - self.mean
        if self.basis is not None:
            white = white @ self.basis
        if self.scale is not None:
            white = white * self.scale
        if self.factor is not None:
            white = torch.linalg.solve_triangular(self.factor, white.T, upper=False).T
        distance: Tensor = torch.linalg.vector_norm(white, dim=1)
        return distance

    def whitening(self) -> Tensor:
        """``W`` transposed, float64 (D, k): the distance is the norm of ``(x - mean) @ it``."""
        white = (
            torch.eye(len(self.mean), dtype=torch.float64, device="cpu")
            if self.basis is None
            else self.basis
        )
        if self.scale is not None:
            white = white * self.scale
        if self.factor is not None:
            white = torch.linalg.solve_triangular(self.factor, white.T, upper=False).T
        return white.contiguous()

    def threshold(self, fpr: float) -> float:
        """Working point of eq. 8: the distance that a share ``fpr`` of normal images exceeds.

        It holds as far as the features are Gaussian (and, for ``standardised``, independent) and
        the training images suffice for their covariance; compare the achieved rate.

        Raises:
            InputError: ``fpr`` is not between 0 and 1, or the distribution is ``l2``, whose
                distance has a unit and no chi-square distribution.
        """
        if self.name == "l2":
            raise InputError(
                "The L2 distance follows no chi-square distribution; set its working point by "
                "held-out normal images (method 'conformal')."
            )
        return chi_square_threshold(fpr, self.dimensions)

    def tensors(self) -> dict[str, Tensor]:
        """The fitted tensors by name, for saving."""
        named = {"mean": self.mean, "basis": self.basis, "factor": self.factor, "scale": self.scale}
        kept = {name: value.contiguous() for name, value in named.items() if value is not None}
        return kept | {"shrinkage": torch.tensor(self.shrinkage, dtype=torch.float64, device="cpu")}

    @classmethod
    def from_tensors(cls, name: DistributionName, tensors: Mapping[str, Tensor]) -> Distribution:
        """The inverse of :meth:`tensors`.

        Raises:
            InputError: they are not those of such a distribution.
        """
        # Dimensions: of the features, and those that are kept.
        inner = tensors["basis"].shape[-1] if "basis" in tensors and tensors["basis"].ndim else 0
        outer = len(tensors["mean"]) if "mean" in tensors and tensors["mean"].ndim else 0
        wanted: dict[str, tuple[int, ...]] = {"mean": (outer,), "shrinkage": ()}
        if name == "standardised":
            wanted["scale"] = (outer,)
        elif name == "full":
            wanted["factor"] = (outer, outer)
        elif name != "l2":
            wanted |= {"basis": (outer, inner), "factor": (inner, inner)}
        found = {key: (value.dtype, tuple(value.shape)) for key, value in tensors.items()}
        if found != {key: (torch.float64, shape) for key, shape in wanted.items()} or any(
            0 in shape for shape in wanted.values()
        ):
            raise InputError(f"the tensors of a level are not those of the distribution {name!r}.")
        shrinkage = float(tensors["shrinkage"])
        return cls(
            name,
            tensors["mean"],
            tensors.get("basis"),
            tensors.get("factor"),
            tensors.get("scale"),
            shrinkage,
        )


def fit_distribution(
    features: Tensor,
    distribution: DistributionName = "full",
    *,
    shrinkage: Shrinkage = "ledoit-wolf",
) -> Distribution:
    """Fit a model of normal features.

    Args:
        features: (n, D) of normal images, any floating dtype. ``l2`` needs one image, all others
            two; there may be fewer images than dimensions.
        distribution: one of :data:`DISTRIBUTIONS`.
        shrinkage: rho of eq. 6 in [0, 1], or ``"ledoit-wolf"`` to estimate it.

    Raises:
        InputError: an argument is wrong, there are too few images, no feature varies, or a fixed
            shrinkage leaves the covariance singular.
    """
    _check(features, distribution, shrinkage)
    data = moments(features)
    if distribution == "l2":
        return Distribution(distribution, data.mean)
    if data.count < 2:
        raise InputError(f"The distribution {distribution!r} needs at least two images, got one.")
    deviation = data.covariance.diagonal().clamp_min(0).sqrt()
    varies = deviation > _CONSTANT * data.mean.abs()
    if not varies.any():
        raise InputError(
            f"The {data.count} images have the same features, so no {distribution!r} distribution "
            "can be fitted; check that the images differ."
        )
    if distribution == "standardised":
        # A feature that never varied (a ReLU that never fired) has no scale to be judged by.
        scale = torch.where(varies, deviation, torch.inf).reciprocal()
        scale = scale * ((data.count - 1) / data.count) ** 0.5
        return Distribution(distribution, data.mean, scale=scale)
    basis = None
    mean = data.mean
    if distribution != "full":
        basis = _components(features, data, distribution)
        data = moments(features, basis)
    rho = max(ledoit_wolf(data), _LEAST_SHRINKAGE) if shrinkage == "ledoit-wolf" else shrinkage
    return Distribution(distribution, mean, basis, _cholesky(data, rho), shrinkage=rho)


def _check(features: Tensor, distribution: str, shrinkage: Shrinkage) -> None:
    if distribution not in DISTRIBUTIONS:
        raise InputError(
            f"The distribution must be one of {', '.join(DISTRIBUTIONS)}, got {distribution!r}."
        )
    if shrinkage != "ledoit-wolf" and not (
        isinstance(shrinkage, int | float) and 0 <= shrinkage <= 1
    ):
        raise InputError(f"shrinkage must be 'ledoit-wolf' or from 0 to 1, got {shrinkage!r}.")
    if features.ndim != 2 or 0 in features.shape or not features.is_floating_point():
        raise InputError(
            "features must be a floating tensor (images, features) with at least one of each, got "
            f"{features.dtype} {tuple(features.shape)}."
        )
    if not torch.isfinite(features).all():
        raise InputError("features hold values that are not finite.")


def _components(features: Tensor, data: Moments, distribution: str) -> Tensor:
    """The retained principal components, float64 (D, k) with k at least 1.

    Directions in which the training images do not vary at all (there are many when images are
    fewer than dimensions) are no components: nothing is known of them.
    """
    if data.count <= len(data.mean):
        centred = features.double() - data.mean
        _, singular, rows = torch.linalg.svd(centred, full_matrices=False)
        variance, basis = singular.square(), rows.T
    else:
        variance, basis = (part.flip(-1) for part in torch.linalg.eigh(data.covariance))
    components: Tensor = basis
    eps = torch.finfo(torch.float64).eps
    rank = int((variance > variance[0] * eps * max(features.shape)).sum())
    share = variance[:rank] / variance[:rank].sum()
    if distribution in _LEADING:
        keep = int((share.cumsum(0) < _LEADING[distribution] - eps).sum()) + 1
        return components[:, : min(keep, rank)].contiguous()
    trailing = share.flip(0).cumsum(0)
    keep = max(int((trailing <= _TRAILING[distribution]).sum()), 1)
    return components[:, rank - keep : rank].contiguous()


def _cholesky(data: Moments, shrinkage: float) -> Tensor:
    covariance = data.covariance
    if shrinkage == 0:
        # A fixed shrinkage of none asks for the sample covariance, eq. 5, with its n - 1.
        covariance = covariance * (data.count / (data.count - 1))
    factor: Tensor
    factor, failed = torch.linalg.cholesky_ex(shrink(covariance, shrinkage))
    if int(failed) or not torch.isfinite(factor).all():
        raise InputError(
            f"The covariance of {data.count} images in {len(data.mean)} dimensions is singular "
            f"with the shrinkage {shrinkage:g}; use 'ledoit-wolf' or more images."
        )
    return factor.contiguous()  # as it is saved, so that a loaded one scores the same to the bit
