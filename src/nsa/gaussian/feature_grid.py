"""Features of chosen levels side by side on one grid of positions, for heat maps.

Defard et al., "PaDiM: a Patch Distribution Modeling Framework for Anomaly Detection and
Localization" (2021), put levels on one grid and keep a random part of their channels; here levels
are averaged or interpolated by fixed matrices, which run alike everywhere and export.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nsa.errors import InputError, shown
from nsa.model.network import Network

_STRIDES = (4, 8, 16)  # of the levels that are chosen by themselves: fine, and no longer blind
_GRID_STRIDE = 8
MOST_POSITIONS = 1024  # a covariance each: more would cost more memory than they tell


@dataclass(frozen=True)
class FeatureGrid:
    """Which features a heat map is made of, and where.

    Attributes:
        levels: the levels, in order; 1 is the first.
        kept: int64 (k,), the channels of each that are kept.
        sides: rows and columns of the grid.
    """

    levels: tuple[int, ...]
    kept: tuple[Tensor, ...]
    sides: tuple[int, int]

    @property
    def features(self) -> int:
        """Features of a position."""
        return sum(len(kept) for kept in self.kept)

    @classmethod
    def choose(
        cls,
        network: Network,
        size: tuple[int, int],
        *,
        levels: Sequence[int] | None = None,
        features: int = 160,
        seed: int = 0,
    ) -> FeatureGrid:
        """A grid for images of a size.

        One position stands for 8 x 8 pixels, or for 16 x 16, 32 x 32 and so on where that would be
        more than :data:`MOST_POSITIONS`.

        Args:
            size: (height, width) of the images in pixels.
            levels: which, 1 is the first; None: the first of stride 4, of 8 and of 16 pixels.
            features: at most so many are kept, of all the levels' channels together.
            seed: chooses them, where there are more.

        Raises:
            InputError: there is no such level, or none is named.
        """
        if levels is None:
            levels = usual_levels(network.strides)
        chosen = sorted(set(levels))
        if not chosen or chosen[0] < 1 or chosen[-1] > len(network.channels):
            raise InputError(
                f"The levels of heat maps must be from 1 to {len(network.channels)}, those of "
                f"{network.name}, got {shown(list(levels))}."
            )
        channels = [network.channels[level - 1] for level in chosen]
        generator = torch.Generator("cpu").manual_seed(seed)
        order = torch.randperm(sum(channels), generator=generator, device="cpu")
        mask = torch.zeros(sum(channels), dtype=torch.bool, device="cpu")
        mask[order[:features]] = True
        kept = [part.nonzero()[:, 0] for part in torch.split(mask, channels)]
        used = [(level, rows) for level, rows in zip(chosen, kept, strict=True) if len(rows)]
        stride = _GRID_STRIDE
        while math.prod(sides := [math.ceil(side / stride) for side in size]) > MOST_POSITIONS:
            stride *= 2
        return cls(
            tuple(level for level, _ in used), tuple(rows for _, rows in used), (sides[0], sides[1])
        )

    def fits(self, channels: Sequence[int]) -> bool:
        """Whether a network with levels of so many channels has the features."""
        pairs = zip(self.levels, self.kept, strict=True)
        return all(
            level <= len(channels) and kept.max() < channels[level - 1] for level, kept in pairs
        )

    def part(self, level: int, output: Tensor) -> Tensor:
        """A level's share of the features, (N, kept, rows, columns), float32.

        Args:
            level: one of :attr:`levels`.
            output: (N, channels, h, w), what the level puts out.
        """
        kept = self.kept[self.levels.index(level)].to(output.device)
        values = output.index_select(1, kept).to(torch.float32)
        for axis, side in ((2, self.sides[0]), (3, self.sides[1])):
            matrix = resampling(values.shape[axis], side).to(values.device)
            values = matrix @ values if axis == 2 else values @ matrix.T
        return values


def usual_levels(strides: Sequence[int]) -> list[int]:
    """The first level of stride 4, of 8 and of 16 pixels; else of the smallest stride there is."""
    found = [strides.index(stride) + 1 for stride in _STRIDES if stride in strides]
    return found or [strides.index(min(strides)) + 1]


def resampling(before: int, after: int) -> Tensor:
    """float32 (after, before): the mean over each new cell, or bilinear where cells get smaller.

    Rows sum to 1.
    """
    ratio = before / after
    centres = torch.arange(after, dtype=torch.float64, device="cpu")[:, None]
    cells = torch.arange(before, dtype=torch.float64, device="cpu")[None]
    if ratio >= 1:
        start, stop = centres * ratio, (centres + 1) * ratio
        weights = (torch.minimum(stop, cells + 1) - torch.maximum(start, cells)).clamp_min(0)
    else:
        place = ((centres + 0.5) * ratio - 0.5).clamp(0, before - 1)
        weights = (1 - (place - cells).abs()).clamp_min(0)
    return (weights / weights.sum(1, keepdim=True)).float()
