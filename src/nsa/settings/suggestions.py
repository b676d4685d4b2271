"""Settings for a category the paper has no preset for, judged from its normal images.

The rules are few and cautious, and every one is said in the reason:

* A **plain background** is assumed when 90 % of the border pixels of all images lie within 20 grey
  levels of one brightness, and pixels that differ from it by more than ``t`` are at least 5 % of
  the image and at least twice as frequent as on the border. ``t`` is twice what 90 % of the border
  keep to, but at least 20. Then it is an object, and patches are confined to it.
* Without a plain background the images are an **object**, filling the frame, if they agree with
  one another, else a **texture**: what they show apart from uneven light, a smooth surface that is
  fitted to each and taken away, correlates with the mean of the others by 0.35 or more.
* Labels keep the paper's usual ``y0``, ``k``: 15, 1/6 for objects and 7, 1/3 for textures.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nsa._native.layout import check_images
from nsa.errors import InputError
from nsa.settings.config import Bounds
from nsa.settings.presets import Preset, generic

_LOOK_AT = 64  # images; more do not change the verdict
_BORDER = 0.03  # width of the border, relative to the image's side
_PLAIN = 20  # grey levels, the smaller t_brightness of Table 4
_LIGHT_DEGREE = 6  # of the polynomials in x and y that light is taken for
_AGREE = 0.35
_SMALLEST_SIDE = 0.06  # of a patch, as nearly everywhere in Table 4
TURN = 5.0
"""Degrees by which objects that do not lie alike are turned in training, as in Section 4.1."""
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Suggestion:
    """A preset and, in a sentence for the log, why it was chosen."""

    preset: Preset
    reason: str


@dataclass(frozen=True)
class _Background:
    brightness: int
    threshold: int


def are_grey(images: Tensor) -> bool:
    """Whether images, uint8 (N, C, H, W), have no colour, in one channel or in three."""
    return images.shape[1] == 1 or not bool((images != images[:, :1]).any())


def suggest(images: Tensor, name: str = "custom") -> Suggestion:
    """Judge from normal images what they show and choose settings.

    Args:
        images: uint8 (N, C, height, width) normal images; at most 64, evenly spread, are looked at.
        name: the preset's name.

    Returns:
        A preset of kind ``"object"`` or ``"texture"`` and the reason for it. Images without any
        colour get one channel.

    Raises:
        InputError: images is not such a tensor, or empty.
    """
    check_images(images)
    if len(images) == 0:
        raise InputError("There are no images to choose settings from; images is empty.")
    chosen = (
        torch.linspace(
            0, len(images) - 1, min(len(images), _LOOK_AT), dtype=torch.float32, device="cpu"
        )
        .round()
        .long()
    )
    some = images[chosen].cpu()
    channels = 1 if are_grey(some) else 3
    brightness: Floats = some.to(torch.float32).mean(1).numpy()

    background = _plain_background(brightness)
    agreement = _agreement(_without_light(brightness))
    kind = "object" if background is not None or agreement >= _AGREE else "texture"
    preset = generic(name, kind, channels)
    if background is not None:
        preset, reason = _on_background(preset, background, brightness)
    elif kind == "object":
        reason = (
            "object without a plain background (the border varies, but the images agree with a "
            f"correlation of {agreement:.2f}, uneven light apart): patches may lie anywhere"
        )
    else:
        reason = (
            "texture (no plain background, and the images correlate by only "
            f"{agreement:.2f}, uneven light apart): patches may lie anywhere, with mixed gradients"
        )
    colour = "" if channels == 3 else ", grey"
    return Suggestion(preset, f"{reason}{colour}.")


def _border(height: int, width: int) -> npt.NDArray[np.bool_]:
    rows, columns = math.ceil(_BORDER * height), math.ceil(_BORDER * width)
    border = np.ones((height, width), bool)
    border[rows : height - rows, columns : width - columns] = False
    return border


def _plain_background(brightness: Floats) -> _Background | None:
    border = brightness[:, _border(*brightness.shape[1:])]
    level = round(float(np.median(border)))
    away = np.abs(border - level)
    # Twice what 90 % of the border keep to, so that shadows beside the object do not count as it.
    spread = float(np.quantile(away, 0.9))
    if spread > _PLAIN:
        return None
    threshold = max(_PLAIN, math.ceil(2 * spread))
    inside = float((np.abs(brightness - level) > threshold).mean())
    outside = float((away > threshold).mean())
    if inside < 0.05 or inside < 2 * outside:
        return None
    return _Background(level, threshold)


def _without_light(brightness: Floats) -> Floats:
    """Each image less the smooth surface nearest to it, which pictures of one texture may share."""
    count, height, width = brightness.shape
    y, x = (
        np.vander(np.linspace(-1, 1, side), _LIGHT_DEGREE + 1, increasing=True)
        for side in (height, width)
    )
    terms = [
        np.outer(y[:, j], x[:, i]).ravel()
        for i in range(_LIGHT_DEGREE + 1)
        for j in range(_LIGHT_DEGREE + 1 - i)
    ]
    basis = np.linalg.qr(np.stack(terms, 1))[0].astype(np.float32)
    flat = brightness.reshape(count, -1)
    flat = flat - flat.mean(1, keepdims=True)
    rest: Floats = flat - (flat @ basis) @ basis.T
    return rest.reshape(brightness.shape)


def _agreement(brightness: Floats) -> float:
    """Mean correlation of each image with the mean of the others; 0 for a single image."""
    count = len(brightness)
    if count < 2:
        return 0.0
    flat = brightness.reshape(count, -1).astype(np.float64)
    flat -= flat.mean(1, keepdims=True)
    others = (flat.sum(0) - flat) / (count - 1)
    norms = np.linalg.norm(flat, axis=1) * np.linalg.norm(others, axis=1)
    return float(((flat * others).sum(1) / np.maximum(norms, 1e-9)).mean())


def _on_background(
    preset: Preset, background: _Background, brightness: Floats
) -> tuple[Preset, str]:
    """The settings of an object, confined to what lies on a plain background; and the reason."""
    mask = np.abs(brightness - background.brightness) > background.threshold
    height, width = _extent(mask, axis=2), _extent(mask, axis=1)
    filled = min(1.0, float(mask.mean()) / (height * width))
    # Patches must hold mostly object: the thinner it is in its box, the smaller they have to be.
    # A full ellipse fills pi / 4 of its box and needs no reduction.
    shrink = min(1.0, math.sqrt(filled * 4 / math.pi))
    synthesis = dataclasses.replace(
        preset.synthesis,
        height_bounds=_bounds(height * shrink),
        width_bounds=_bounds(width * shrink),
        background=background.brightness,
        background_threshold=background.threshold,
        min_object_share=0.70 if filled >= 0.5 else 0.50,
    )
    rotation = 0.0 if len(brightness) < 2 or _agreement(brightness) >= 0.9 else TURN
    placed = "aligned" if rotation == 0 else f"not aligned, so rotated by up to {TURN:g} degrees"
    reason = (
        f"object on a plain background of brightness {background.brightness} +- "
        f"{background.threshold}, filling {100 * mask.mean():.0f} % of the image, {placed}: "
        f"patches of up to {synthesis.height_bounds[1]:.2f} x {synthesis.width_bounds[1]:.2f} of "
        "the image, on the object"
    )
    images = dataclasses.replace(preset.images, rotation=rotation)
    return dataclasses.replace(preset, synthesis=synthesis, images=images), reason


def _extent(mask: npt.NDArray[np.bool_], axis: int) -> float:
    """Typical length of the object across ``axis``, relative to the image; specks do not count."""
    lines = mask.mean(axis=axis) > 0.02
    length = float(np.median(lines.mean(axis=1)))
    return max(length, 1e-3)


def _bounds(extent: float) -> Bounds:
    """Sides of a patch for an object of this length: up to nine tenths of it, in steps of 0.05."""
    return _SMALLEST_SIDE, min(0.80, max(0.15, round(round(0.9 * extent / 0.05) * 0.05, 2)))
