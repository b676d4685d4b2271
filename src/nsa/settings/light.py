"""How far the light of normal images varies, and so how far a training varies it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import Tensor

from nsa._native.layout import check_images

# A lamp drifts further in the years of its use than in the days when the training images were
# taken, so that this much is varied where they are all alike.
_LEAST = {"brightness": 0.2, "contrast": 0.2, "white_balance": 0.1}
_MOST = 0.5
_DEVIATIONS = 3.0  # of the training images from their median, on either side
_BLACK = 1.0  # grey level to which darker means are raised, which have no logarithm


@dataclass(frozen=True)
class LightSpread:
    """Settings of :class:`nsa.settings.config.ImageConfig`, by the same names."""

    brightness: float
    contrast: float
    white_balance: float


def light_spread(images: Tensor) -> LightSpread:
    """Judge from normal images how far to vary the light in training.

    Three robust standard deviations of an image's mean, of its spread of grey levels, and of its
    channels' shares, all as ratios; at least what a lamp may drift by, and at most 0.5.

    Args:
        images: uint8 (N, C, H, W), normal images, all as in training.

    Raises:
        InputError: ``images`` is no such tensor.
    """
    check_images(images)
    levels = images.cpu().flatten(2).numpy()
    channels = np.maximum(levels.mean(2, dtype=np.float64), _BLACK)  # (N, C)
    spread = np.maximum(levels.std(2, dtype=np.float64).mean(1), _BLACK)
    mean = channels.mean(1)
    return LightSpread(
        brightness=_factor("brightness", np.log(mean)),
        contrast=_factor("contrast", np.log(spread)),
        white_balance=_factor("white_balance", np.log(channels / mean[:, None])),
    )


def _factor(name: str, logarithms: npt.NDArray[np.float64]) -> float:
    """What is beyond 1 in the factor that holds nearly all of (N,) or (N, C) logarithms."""
    away = np.abs(logarithms - np.median(logarithms, axis=0)) if len(logarithms) else np.zeros(1)
    deviation = 1.4826 * float(np.median(away, axis=0).max())
    factor = math.expm1(min(_DEVIATIONS * deviation, 1.0))
    return round(min(_MOST, max(_LEAST[name], factor)), 2)
