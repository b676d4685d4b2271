"""Labels from the difference between an image and its blended copy.

With ``d`` the sum over channels of their absolute difference, 0 outside the patches' masks, the
change mask is ``d > C`` (released) or ``d > 0`` (paper) after a 5x5 median. The four kinds are

- ``"binary"``: the mask;
- ``"continuous"``: the median of ``d / C`` inside the mask over a disk of radius 5, in [0, 255]; it
  reaches up to 5 px past the mask (eq. 13);
- ``"logistic"``: ``mask / (1 + exp(-k (continuous - y0)))`` (eq. 14);
- ``"factor"``: the mask times the interpolation factor of the last patch there (FPI and PII).
"""

from __future__ import annotations

import math
import typing

import numpy as np
import torch
from torch import Tensor

from nsa._native import operators
from nsa._native.devices import check_devices
from nsa._native.layout import image_pair
from nsa.errors import InputError
from nsa.plan.table import COLUMNS, DST_X, DST_Y, HEIGHT, IMAGE, LABEL_MASK, WIDTH, Plan
from nsa.settings.config import SynthesisConfig, Variant
from nsa.settings.methods import LabelKind


def label(
    images: Tensor,
    blended: Tensor,
    plan: Plan,
    config: SynthesisConfig | None = None,
    *,
    kind: LabelKind | None = None,
) -> Tensor:
    """Labels of a batch that was blended as ``plan`` says.

    Args:
        images: uint8 (N, C, H, W), the images before blending, C 1 or 3. Channels-last costs no
            copy.
        blended: the same shape, the images after it.
        plan: the patches; only their destination boxes, label masks and factors are used.
        config: ``variant``, ``label_midpoint``, ``label_steepness`` and, through
            :attr:`nsa.SynthesisConfig.label_kind`, ``method`` and ``label`` are used; the defaults
            if None.
        kind: what a label holds, instead of what ``config`` says.

    Returns:
        float32 (N, 1, H, W), 0 outside the changed regions. The same for any number of threads.

    Raises:
        InputError: an image or the plan has the wrong type, shape or range.
    """
    config = SynthesisConfig() if config is None else config
    return _label(
        *image_pair(images, blended, ("images", "blended")),
        plan.tensors(),
        config.label_kind if kind is None else kind,
        config.variant,
        config.label_midpoint,
        config.label_steepness,
    )


def difference_label(
    original: Tensor,
    blended: Tensor,
    mask: Tensor | None = None,
    *,
    label: LabelKind = "logistic",
    midpoint: float = 15.0,
    steepness: float = 1 / 6,
    variant: Variant = "released",
) -> Tensor:
    """Labels of image pairs, without a plan.

    >>> good = torch.full((1, 3, 32, 32), 90, dtype=torch.uint8)
    >>> changed = good.clone()
    >>> changed[..., 8:24, 8:24] += 60
    >>> label = difference_label(good, changed, label="binary")
    >>> int(label.sum())  # all pixels of the square, but for its corners
    244

    Args:
        original: uint8 (N, C, H, W), C 1 or 3.
        blended: the same shape.
        mask: bool or uint8 (N, 1, H, W); differences count where it is not 0, everywhere if None.
        label: what a label holds.
        midpoint, steepness: ``y0`` in grey levels and ``k`` per grey level (eq. 14).
        variant: a pixel has changed if the mean over channels differs by more than 1
            (``"released"``) or at all (``"paper"``).

    Returns:
        float32 (N, 1, H, W).

    Raises:
        InputError: an argument has the wrong type, shape, device or value.
    """
    before, after = image_pair(original, blended, ("original", "blended"))
    count, height, width, _ = before.shape
    rows = np.zeros((count, len(COLUMNS)), np.int32)
    rows[:, IMAGE] = np.arange(count)
    rows[:, [WIDTH, HEIGHT]] = width, height
    rows[:, [DST_X, DST_Y]] = 0
    rows[:, LABEL_MASK] = -1
    masks = torch.empty(0, dtype=torch.uint8, device="cpu")
    if mask is not None:
        masks = _checked_mask(mask, (count, 1, height, width))
        rows[:, LABEL_MASK] = np.arange(count) * (height * width)
        check_devices(original=before, mask=masks)
    table = torch.from_numpy(rows), torch.ones(count, dtype=torch.float32, device="cpu"), masks
    return _label(before, after, table, label, variant, midpoint, steepness)


def _checked_mask(mask: Tensor, shape: tuple[int, ...]) -> Tensor:
    """``mask`` as one flat array of 0 and 1."""
    if not isinstance(mask, Tensor) or mask.dtype not in (torch.bool, torch.uint8):
        kind = mask.dtype if isinstance(mask, Tensor) else type(mask).__name__
        raise InputError(f"mask must be a bool or uint8 tensor, got {kind}.")
    if mask.layout != torch.strided:
        raise InputError(f"mask must be a dense tensor, got one of layout {mask.layout}.")
    if tuple(mask.shape) != shape:
        raise InputError(f"mask must have the shape {shape}, got {tuple(mask.shape)}.")
    if math.prod(shape) >= 2**31:
        raise InputError(f"mask must have fewer than 2^31 pixels, got {shape}; split the batch.")
    return (mask != 0).to(torch.uint8).reshape(-1)


def _label(
    original: Tensor,
    blended: Tensor,
    table: tuple[Tensor, Tensor, Tensor],  # a plan's rows, factors and masks
    kind: LabelKind,
    variant: Variant,
    midpoint: float,
    steepness: float,
) -> Tensor:
    if kind not in typing.get_args(LabelKind):
        listed = ", ".join(map(repr, typing.get_args(LabelKind)))
        raise InputError(f"label must be one of {listed}, got {kind!r}.")
    if variant not in typing.get_args(Variant):
        raise InputError(f"variant must be 'released' or 'paper', got {variant!r}.")
    if not (math.isfinite(midpoint) and math.isfinite(steepness)):
        raise InputError(f"midpoint and steepness must be finite, got {midpoint}, {steepness}.")
    rule = kind, variant, float(midpoint), float(steepness)
    return operators.label(original, blended, *table, *rule).unsqueeze(1)
