"""Heat maps: the distance of every position's features from those of normal images.

One Gaussian for every position of the grid where products lie alike in every image, one for all
positions together where they do not (textures, loose or turned parts).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from nsa.errors import InputError
from nsa.gaussian.feature_grid import FeatureGrid
from nsa.gaussian.map_moments import MapMoments, Sums
from nsa.gaussian.moments import ledoit_wolf, shrink

Alignment = Literal["auto", "aligned", "unaligned"]

# A position that hardly ever changes (white all around a product) gets at least this share of the
# average variance, else the least noise there would be further from normal than any defect.
_LEAST_VARIANCE = 0.1
_LEAST_SHRINKAGE = 1e-6  # far below what it usually is, and away from singular
_BLOCK = 64  # positions whose covariances are inverted at a time, to bound the memory
_COMPARED = 256  # positions that decide about the alignment


@dataclass(frozen=True)
class MapModel:
    """Fitted Gaussians of a grid; P is the number of its positions, or 1 where they share one.

    Attributes:
        grid: the features.
        mean: (P, D).
        whitening: (P, D, D), the inverse of the covariance's lower Cholesky factor; float32 where
            there are many, float64 for a shared one, whose covariance has no floor.
        scale: distances are divided by it: the usual one (root mean square) of a new normal image.
    """

    grid: FeatureGrid
    mean: Tensor
    whitening: Tensor
    scale: float

    @property
    def aligned(self) -> bool:
        """Whether every position has a Gaussian of its own."""
        return len(self.mean) > 1 or self.grid.sides == (1, 1)

    def distances(self, features: Tensor) -> Tensor:
        """Mahalanobis distances, divided by :attr:`scale`.

        Args:
            features: (N, D, rows, columns) of the grid.

        Returns:
            float32 (N, rows, columns) on the CPU; about 1 for normal images.
        """
        return grid_distances(features.cpu(), self.mean, self.whitening, self.scale)


def grid_distances(features: Tensor, mean: Tensor, whitening: Tensor, scale: float) -> Tensor:
    """:meth:`MapModel.distances` as plain operations on one device."""
    count, size, rows, columns = features.shape
    values = features.flatten(2).to(mean.dtype)
    if len(mean) == 1:
        values = values.permute(1, 2, 0).reshape(1, size, -1)  # (1, D, P * N)
    else:
        values = values.permute(2, 1, 0)  # (P, D, N)
    white = whitening @ (values - mean[:, :, None])
    squares = white.square().sum(1).reshape(rows, columns, count)
    return (squares.sqrt() / scale).permute(2, 0, 1).to(torch.float32)


def positions_within(ignored: Tensor, grid: FeatureGrid) -> Tensor:
    """Positions of which no pixel counts.

    Args:
        ignored: bool (N, H, W), the pixels that do not count of images of the grid's size.

    Returns:
        bool (N, rows, columns).
    """
    counting = F.adaptive_max_pool2d((~ignored).float()[:, None], grid.sides)
    return counting[:, 0] == 0


def fit_map(
    moments: MapMoments, alignment: Alignment = "auto", ignored: Tensor | None = None
) -> tuple[MapModel, str]:
    """Fit heat maps to what streamed through.

    Shrinkage is Ledoit and Wolf's, as at image level. ``"auto"`` fits both models to each half of
    the images and takes the one under which the other half is more likely.

    Args:
        moments: of normal images.
        alignment: ``"aligned"``: one Gaussian a position; ``"unaligned"``: one for all.
        ignored: bool (rows, columns), positions that do not count: they do not decide, and are no
            part of the one for all.

    Returns:
        The model, and why it is this one, in words.

    Raises:
        InputError: there are fewer than two images, or ``alignment`` is unknown.
    """
    if alignment not in ("auto", "aligned", "unaligned"):
        raise InputError(f"alignment must be 'auto', 'aligned' or 'unaligned', got {alignment!r}.")
    count = sum(half.count for half in moments.halves)
    if count < 2:
        raise InputError(f"Heat maps need at least two normal images, got {count}.")
    halves, whole = moments.halves, moments.total
    if ignored is not None:
        kept = (~ignored).flatten().nonzero()[:, 0]
        halves, whole = [half.positions(kept) for half in halves], whole.positions(kept)
    floor = _floor(whole)
    compared = {}
    if count >= 4:
        step = max(1, len(halves[0].first) // _COMPARED)
        for name in ("aligned", "unaligned"):
            compared[name] = _held_out(halves, slice(None, None, step), name == "aligned")
    if alignment == "auto":
        aligned = bool(compared) and compared["aligned"][0] <= compared["unaligned"][0]
        reason = "too few images to find out whether they lie alike"
        if compared:
            better, worse = sorted(values[0] for values in compared.values())
            what = "the images lie alike" if aligned else "the images do not lie alike"
            reason = f"{what} (held-out log likelihood {-better:.2f}, else {-worse:.2f})"
    else:
        aligned, reason = alignment == "aligned", "as asked"
    total = moments.total if aligned else whole.pooled()
    assert moments.shift is not None
    usual = compared["aligned" if aligned else "unaligned"][1] if compared else 1.0
    scale = (usual * moments.grid.features) ** 0.5
    mean, whitening = [], []
    for first in range(0, len(total.first), _BLOCK):
        part = total.positions(slice(first, first + _BLOCK))
        factor = _factor(part, floor if aligned else 0.0)
        eye = torch.eye(factor.shape[-1], dtype=factor.dtype, device="cpu")
        inverse = torch.linalg.solve_triangular(factor, eye.expand_as(factor), upper=False)
        mean.append(part.mean() + moments.shift)
        whitening.append(inverse.float() if aligned else inverse)
    means, whitenings = torch.cat(mean), torch.cat(whitening)
    return MapModel(moments.grid, means.to(whitenings.dtype), whitenings, scale), reason


def _floor(total: Sums) -> float:
    """The least variance of a feature that a position may have."""
    variances = total.second.diagonal(dim1=1, dim2=2) / total.count - total.mean().square()
    return _LEAST_VARIANCE * float(variances.clamp_min(0).mean())


def _factor(sums: Sums, floor: float) -> Tensor:
    """Lower Cholesky factors of the shrunk covariances, float64 (P, D, D)."""
    factors = []
    for position in range(len(sums.first)):
        data = sums.moments(position)
        size = len(data.mean)
        variance = max(float(data.covariance.trace()) / size, 0.0)
        rho = max(ledoit_wolf(data), _LEAST_SHRINKAGE)
        covariance = shrink(data.covariance, rho)
        covariance.diagonal().add_(max(floor - rho * variance, 0.0))
        factors.append(covariance)
    factor: Tensor
    factor, failed = torch.linalg.cholesky_ex(torch.stack(factors))
    if failed.any():
        raise InputError(
            "The features of heat maps have a covariance that is singular; check that the images "
            "differ, or use more of them."
        )
    return factor


def _held_out(halves: list[Sums], rows: slice, aligned: bool) -> tuple[float, float]:
    """Of each half under the model of the other, averaged over both and over positions.

    Returns:
        Negative log likelihood a feature (without its constant), and mean squared distance a
        feature.
    """
    likelihoods, squares = [], []
    for fitted, other in (halves, halves[::-1]):
        floor = _floor(fitted) if aligned else 0.0
        one, two = fitted.positions(rows), other.positions(rows)
        if not aligned:
            one, two = one.pooled(), two.pooled()
        for first in range(0, len(one.first), _BLOCK):
            block = slice(first, first + _BLOCK)
            model, held = one.positions(block), two.positions(block)
            factor = _factor(model, floor)
            size = factor.shape[-1]
            solved = torch.cholesky_solve(held.about(model.mean()), factor)
            square = solved.diagonal(dim1=1, dim2=2).sum(1) / size
            logs = 2 * factor.diagonal(dim1=1, dim2=2).log().sum(1) / size
            squares.append(square)
            likelihoods.append((square + logs) / 2)
    return float(torch.cat(likelihoods).mean()), float(torch.cat(squares).mean())
