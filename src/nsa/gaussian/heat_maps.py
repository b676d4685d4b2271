"""From distances on a grid to a map of the image, and to the score of the image."""

from __future__ import annotations

import functools
import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

ScoreOf = Literal["both", "levels", "map"]

_SIGMA = 4.0  # pixels: half a position of 8 px, which hides the grid and moves nothing
_SHARE = 0.01  # of the positions, the highest ones, whose mean scores the image


def heat_maps(distances: Tensor, size: tuple[int, int]) -> Tensor:
    """Maps at the size of the images, bilinear and then smoothed by a Gaussian of 4 px.

    Args:
        distances: float32 (N, rows, columns).
        size: (height, width) in pixels.

    Returns:
        float32 (N, height, width).
    """
    maps = F.interpolate(distances[:, None], size, mode="bilinear", align_corners=False)
    radius = math.ceil(3 * _SIGMA)
    # What an exporter traces with must not be kept for later calls.
    made = _make_kernel(radius) if torch.compiler.is_compiling() else _kernel(radius)
    kernel = made.to(maps.device)
    maps = F.pad(maps, (radius, radius, radius, radius), mode="replicate")
    return F.conv2d(F.conv2d(maps, kernel[None, None, None]), kernel[None, None, :, None])[:, 0]


def image_scores(levels: Tensor, distances: Tensor, score: ScoreOf) -> Tensor:
    """One score an image, float64 (N,).

    Args:
        levels: float64 (N, levels), distances of whole images, whose sum is the paper's score.
        distances: float32 (N, rows, columns).
        score: ``"levels"``: the sum; ``"map"``: the mean of the highest percent of the grid's
            distances, at least of one; ``"both"``: the geometric mean of the two, in which a factor
            between their units changes no order.
    """
    total = levels.sum(1)
    flat = distances.flatten(1).double()
    highest = flat.topk(max(1, round(_SHARE * flat.shape[1])), 1).values.mean(1)
    if score == "levels":
        return total
    return highest if score == "map" else (total * highest).sqrt()


@functools.cache
def _kernel(radius: int) -> Tensor:
    return _make_kernel(radius)


def _make_kernel(radius: int) -> Tensor:
    offsets = torch.arange(-radius, radius + 1, dtype=torch.float64, device="cpu")
    weights = torch.exp(-0.5 * (offsets / _SIGMA) ** 2)
    return (weights / weights.sum()).float()
