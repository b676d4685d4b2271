"""From what a detector says to multiples of how much normal images vary by it.

Detectors of different methods have scores of different kinds: means of sigmoids, distances. Their
logarithms can be added up once held-out normal images have shifted and scaled them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from nsa.errors import InputError
from nsa.settings.fields import Checked

LEAST = 10  # held-out images: of fewer the scale is off by more than a third (1.16 / sqrt n)
UPPER = 0.99  # quantile of the values of normal maps: most of them say next to nothing
PIXELS = 2**21  # of all held-out maps of a member whose quantiles are taken
_BELOW = 1e-3  # of the typical value: what is lower counts as that, so that zeros have logarithms
_DEVIATION = 1.4826  # of a normal distribution, in median absolute deviations
_DEVIATION_BY_MEAN = 1.2533  # the same in mean absolute deviations
UPPER_DEVIATIONS = 2.3263  # of UPPER from the median of a normal distribution
ROUNDING = 1e-4  # relative; machines differ by up to so much, see nsa.metrics.conformal


@dataclass(frozen=True, kw_only=True)
class Standard(Checked):
    """Standardises scores, or the values of maps.

    Attributes:
        floor: lower values count as this.
        location: the logarithm that becomes 0.
        scale: the difference of logarithms that becomes 1.
    """

    floor: float
    location: float
    scale: float

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("floor", "scale"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name} must be above 0, got {getattr(self, name)!r}.")

    def __call__(self, values: Tensor) -> Tensor:
        """``(log(max(values, floor)) - location) / scale``, of the same shape and dtype."""
        return (values.clamp(min=self.floor).log() - self.location) / self.scale


def of_scores(scores: Tensor) -> Standard:
    """From the scores of held-out normal images, by their median and median absolute deviation.

    Where more than half of the scores are one and the same, the mean absolute deviation takes the
    place of the median one.

    Args:
        scores: float (n,), at least 0.

    Raises:
        InputError: all are the same.
    """
    floor, logarithms = _logarithms(scores)
    location = logarithms.quantile(0.5)
    scale = _DEVIATION * float((logarithms - location).abs().quantile(0.5))
    return _standard(floor, location, scale, logarithms)


def of_maps(values: Tensor) -> Standard:
    """From values of the maps of held-out normal images, wherever in the image they stand.

    One value in a hundred lies above 0, and the distance from there to the median is that of a
    normal distribution, 2.33. A scale about the median alone would be that of the noise in which a
    map says "nothing here".

    Args:
        values: float (n,), at least 0.

    Raises:
        InputError: all are the same.
    """
    floor, logarithms = _logarithms(values)
    ordered = logarithms.sort().values
    middle, upper = (ordered[int(share * (len(ordered) - 1))] for share in (0.5, UPPER))
    scale = float(upper - middle) / UPPER_DEVIATIONS
    return _standard(floor, upper, scale, logarithms)


def _logarithms(values: Tensor) -> tuple[float, Tensor]:
    """The floor, and the logarithms of the values, float64."""
    values = values.double().flatten()
    positive = values[values > 0]
    if not len(positive):
        raise InputError("they are all 0.")
    floor = _BELOW * float(positive.median())
    return floor, values.clamp(min=floor).log()


def _standard(floor: float, location: Tensor, scale: float, logarithms: Tensor) -> Standard:
    if scale < ROUNDING:
        scale = _DEVIATION_BY_MEAN * float((logarithms - location).abs().mean())
    if not scale >= ROUNDING:
        raise InputError(f"they are all {math.exp(float(location)):.6g}.")
    return Standard(floor=floor, location=float(location), scale=scale)


def some_pixels(maps: Tensor, count: int, seed: int) -> Tensor:
    """Values at random places of each map, without any twice: (N, H, W) -> (N, at most count)."""
    flat = maps.flatten(1)
    generator = torch.Generator("cpu").manual_seed(seed)
    places = torch.randperm(flat.shape[1], generator=generator, device="cpu")[:count]
    return flat[:, places]
