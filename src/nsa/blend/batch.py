"""Blend a batch with its plan."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

from nsa import _native
from nsa._native.layout import plan_tensors
from nsa.errors import InputError
from nsa.plan.table import Plan

Mode = Literal["source", "mixed", "paste", "interpolate"]


def blend(images: Tensor, plan: Plan, mode: Mode, *, sources: Tensor | None = None) -> Tensor:
    """Blend every patch of ``plan`` into its image.

    An image's patches are applied in order of their round, each onto the result of the one before,
    and are always cut from ``sources`` as they were.

    Args:
        images: uint8 (N, C, H, W), C 1 or 3; channels-last storage saves a copy. Not changed.
        plan: which patches; its ``image`` column indexes ``images``.
        mode: ``"source"`` and ``"mixed"`` solve the Poisson equation with the gradients of the
            patch or the stronger ones of patch and image (eq. 3 and 4 of the NSA paper), weighted
            by ``ceil(255 factor) / 255``; ``"paste"`` copies pixels (CutPaste); ``"interpolate"``
            is ``floor((1 - factor) image + factor patch)`` (FPI).
        sources: uint8 (M, C, H', W'), indexed by the plan's ``source`` column; None: ``images``.

    Returns:
        uint8 (N, C, H, W), channels-last. On the CPU the bits do not depend on the number of
        threads, ``torch.get_num_threads()``.

    Raises:
        InputError: a wrong dtype, shape or device, or a plan row that leaves the images; nothing
            was written then.
    """
    if mode not in get_args(Mode):
        listed = ", ".join(repr(option) for option in get_args(Mode))
        raise InputError(f"mode must be one of {listed}, got {mode!r}.")
    pixels = interleaved(images, "images")
    cut = pixels if sources is None or sources is images else interleaved(sources, "sources")
    _native.check_devices(images=pixels, sources=cut)
    number = int(getattr(_native.C.Blend, mode))
    out: Tensor = torch.ops.nsa.blend(pixels, cut, *plan_tensors(plan), number)
    return out.permute(0, 3, 1, 2)


def interleaved(images: Tensor, name: str) -> Tensor:
    """uint8 (N, C, H, W) as contiguous (N, H, W, C), without a copy if stored channels-last."""
    if not isinstance(images, Tensor) or images.dtype != torch.uint8:
        kind = images.dtype if isinstance(images, Tensor) else type(images).__name__
        raise InputError(f"{name} must be a uint8 tensor, got {kind}.")
    if images.ndim != 4 or images.shape[1] not in (1, 3):
        raise InputError(
            f"{name} must have the shape (batch, 1 or 3 channels, height, width), "
            f"got {tuple(images.shape)}."
        )
    return images.permute(0, 2, 3, 1).contiguous()
