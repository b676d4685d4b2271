"""Mean, covariance and fourth moment of every position of a grid, from images that stream through.

Memory is that of the sums, however many images there are: twice ``positions x features^2`` float64.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nsa.gaussian.feature_grid import FeatureGrid
from nsa.gaussian.moments import Moments


@dataclass
class Sums:
    """Sums over observations ``y = x - shift`` at every position, all float64.

    Attributes:
        count: observations at each position.
        first: sum of y, (P, D).
        second: sum of ``y y^T``, (P, D, D).
        square: sum of ``|y|^4``, (P,).
        cross: sum of ``|y|^2 y``, (P, D).
    """

    count: int
    first: Tensor
    second: Tensor
    square: Tensor
    cross: Tensor

    @classmethod
    def zeros(cls, positions: int, features: int) -> Sums:
        """Of nothing."""
        shapes = ((features,), (features, features), (), (features,))
        return cls(
            0, *(torch.zeros(positions, *s, dtype=torch.float64, device="cpu") for s in shapes)
        )

    def add(self, y: Tensor) -> None:
        """Count more observations, float64 (P, n, D)."""
        norms = y.square().sum(2)
        self.count += y.shape[1]
        self.first += y.sum(1)
        self.second.baddbmm_(y.transpose(1, 2), y)
        self.square += norms.square().sum(1)
        self.cross += (norms[:, None] @ y)[:, 0]

    def __add__(self, other: Sums) -> Sums:
        return Sums(
            self.count + other.count,
            self.first + other.first,
            self.second + other.second,
            self.square + other.square,
            self.cross + other.cross,
        )

    def positions(self, rows: slice | Tensor) -> Sums:
        """Those of some positions."""
        return Sums(
            self.count, self.first[rows], self.second[rows], self.square[rows], self.cross[rows]
        )

    def pooled(self) -> Sums:
        """Of all positions taken together, as one."""
        parts = (self.first, self.second, self.square, self.cross)
        return Sums(self.count * len(self.first), *(part.sum(0, keepdim=True) for part in parts))

    def moments(self, position: int) -> Moments:
        """What :mod:`nsa.gaussian.moments` makes of one position's ``y``."""
        one = self.positions(slice(position, position + 1))
        fourth = float(one.fourth()[0])
        return Moments(self.count, one.mean()[0], one.covariance()[0], fourth)

    def mean(self) -> Tensor:
        """Of y, (P, D)."""
        return self.first / self.count

    def covariance(self) -> Tensor:
        """Divided by the count, (P, D, D)."""
        mean = self.mean()
        return self.second / self.count - mean[:, :, None] * mean[:, None]

    def about(self, mean: Tensor) -> Tensor:
        """Mean of ``(y - mean)(y - mean)^T``, (P, D, D), for any mean (P, D)."""
        product = mean[:, :, None] * self.mean()[:, None]
        outer = mean[:, :, None] * mean[:, None]
        return self.second / self.count - product - product.transpose(1, 2) + outer

    def fourth(self) -> Tensor:
        """Mean of ``|y - mean y|^4``, (P,).

        ``|y - m|^2 = q - 2 m.y + d`` with ``q = |y|^2`` and ``d = |m|^2``, squared and averaged
        term by term.
        """
        n, mean = self.count, self.mean()
        length = mean.square().sum(1)
        q = self.second.diagonal(dim1=1, dim2=2).sum(1) / n
        along = (mean[:, None] @ (self.second / n) @ mean[:, :, None])[:, 0, 0]
        mixed = (mean * self.cross).sum(1) / n
        total = self.square / n + 4 * along + length.square()
        return (total - 4 * mixed + 2 * length * q - 4 * length.square()).clamp_min(0)


class MapMoments:
    """Collects the sums of a grid's features, of every other image apart.

    The two halves tell how well a model of one describes the other.

    >>> moments = MapMoments(FeatureGrid.choose(extractor.network.entry, (256, 256)))
    >>> detector = GaussianDetector(extractor).fit(normal_images, moments=moments)
    >>> model, why = fit_map(moments)

    Args:
        grid: the features.

    Attributes:
        shift: float64 (D,), taken off all features: about their mean, so that sums of squares lose
            nothing.
        halves: the sums of the images 0, 2, 4 ... and 1, 3, 5 ... as they came.
    """

    def __init__(self, grid: FeatureGrid) -> None:
        self.grid = grid
        self.shift: Tensor | None = None
        self.halves: list[Sums] = []
        self._seen = 0

    @property
    def total(self) -> Sums:
        """The sums of all images."""
        return self.halves[0] + self.halves[1]

    def add(self, features: Tensor) -> None:
        """Count the features (N, D, rows, columns) of more images."""
        values = features.flatten(2).permute(2, 0, 1).to(torch.float64)
        if self.shift is None:
            self.shift = values.mean((0, 1))
            self.halves = [Sums.zeros(values.shape[0], values.shape[2]) for _ in range(2)]
        values = values - self.shift
        for half, sums in enumerate(self.halves):
            sums.add(values[:, (half - self._seen) % 2 :: 2])
        self._seen += values.shape[1]
