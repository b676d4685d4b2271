"""``nsa::label`` for torch: the CPU kernel, and a fake for tracing."""

from __future__ import annotations

import torch
from torch import Tensor

from nsa._native import C


@torch.library.custom_op("nsa::label", mutates_args=(), device_types="cpu")
def label(
    original: Tensor,
    blended: Tensor,
    rows: Tensor,
    factors: Tensor,
    masks: Tensor,
    kind: int,
    overwrite: bool,
    midpoint: float,
    steepness: float,
) -> Tensor:
    """Labels float32 (N, H, W) of uint8 (N, H, W, C) images; csrc/label/label.h has the rest."""
    labels = torch.empty(original.shape[:3], dtype=torch.float32)
    C.label(
        original.numpy(),
        blended.numpy(),
        rows.numpy(),
        factors.numpy(),
        masks.numpy(),
        kind,
        overwrite,
        midpoint,
        steepness,
        labels.numpy(),
        torch.get_num_threads(),
    )
    return labels


@label.register_fake
def _(
    original: Tensor,
    blended: Tensor,  # noqa: ARG001
    rows: Tensor,  # noqa: ARG001
    factors: Tensor,  # noqa: ARG001
    masks: Tensor,  # noqa: ARG001
    kind: int,  # noqa: ARG001
    overwrite: bool,  # noqa: ARG001
    midpoint: float,  # noqa: ARG001
    steepness: float,  # noqa: ARG001
) -> Tensor:
    return original.new_empty(original.shape[:3], dtype=torch.float32)
