"""Blending and labelling of one batch on the GPU with one copy of the plan."""

from __future__ import annotations

import torch
from torch import Tensor

from nsa._native.cuda import kernels
from nsa._native.cuda.plan import DevicePlan
from nsa.errors import InputError
from nsa.plan.table import Plan
from nsa.settings.config import SynthesisConfig


def synthesize(images: Tensor, plan: Plan, config: SynthesisConfig) -> tuple[Tensor, Tensor]:
    """The blended images and their labels, see :meth:`nsa.NSA.synthesize`.

    Args:
        images: uint8 (N, C, H, W) on a GPU.
    """
    pixels = images.permute(0, 2, 3, 1).contiguous()
    shape = kernels.shape_of(pixels)
    mode = config.blend_mode
    on_device = DevicePlan.of(
        *plan.tensors(), images=shape, sources=shape, mode=mode, device=pixels.device
    )
    return blend_and_label(pixels, on_device, config)


def blend_and_label(
    pixels: Tensor, plan: DevicePlan, config: SynthesisConfig
) -> tuple[Tensor, Tensor]:
    """Blended images (N, C, H, W) and labels (N, 1, H, W) of a plan that is on the device.

    Args:
        pixels: uint8 (N, H, W, C), contiguous; left unchanged.
    """
    blended = kernels.blend(pixels, pixels, plan, config.blend_mode)
    labels = kernels.label(
        pixels,
        blended,
        plan,
        config.label_kind,
        config.variant,
        config.label_midpoint,
        config.label_steepness,
    )
    return blended.permute(0, 3, 1, 2), labels.unsqueeze(1)


def capture(
    images: Tensor, plan: DevicePlan, config: SynthesisConfig
) -> tuple[torch.cuda.CUDAGraph, Tensor, Tensor]:
    """:func:`synthesize` as a CUDA graph, which reads ``images`` and ``plan`` at every replay.

    Args:
        images: uint8 (N, C, H, W) on a GPU, channels-last; write new images into it.
        plan: of :meth:`DevicePlan.reserve`; update it before a replay.

    Returns:
        The graph and the tensors that its replays write: blended images and labels.

    Raises:
        InputError: ``images`` is stored in another order.
    """
    pixels = images.permute(0, 2, 3, 1)
    if not pixels.is_contiguous():
        raise InputError("images must be stored channels-last to be read by a captured graph.")
    # A first run loads the kernels and makes the tables, which a capture must not do.
    stream = torch.cuda.Stream(pixels.device)  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream(pixels.device))
    with torch.cuda.stream(stream):
        blend_and_label(pixels, plan, config)
    torch.cuda.current_stream(pixels.device).wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):  # others may pin memory
        blended, labels = blend_and_label(pixels, plan, config)
    return graph, blended, labels
