"""Blending and labelling of one batch on the GPU with one copy of the plan."""

from __future__ import annotations

import torch
from torch import Tensor

from nsa._native.cuda import kernels
from nsa._native.cuda.plan import DevicePlan, Shape
from nsa._native.layout import lights_table
from nsa.errors import InputError
from nsa.plan.table import Plan
from nsa.settings.config import SynthesisConfig


def synthesize(images: Tensor, plan: Plan, config: SynthesisConfig) -> tuple[Tensor, Tensor]:
    """The blended images and their labels, see :meth:`nsa.NSA.synthesize`.

    Args:
        images: uint8 (N, C, H, W) on a GPU.
    """
    pixels = images.permute(0, 2, 3, 1).contiguous()
    shape, lights = kernels.shape_of(pixels), None
    if plan.lights is not None:
        lights = lights_table(plan.lights.in_channels(shape[3]))
    on_device = DevicePlan.of(
        *plan.tensors(),
        images=shape,
        sources=sources_of(shape, lights is not None),
        mode=config.blend_mode,
        device=pixels.device,
    )
    return blend_and_label(pixels, on_device, config, lights)


def sources_of(images: Shape, relit: bool) -> Shape:
    """The shape of what patches are cut from: the images and, in another light, copies of them."""
    return (1 + relit) * images[0], *images[1:]


def blend_and_label(
    pixels: Tensor, plan: DevicePlan, config: SynthesisConfig, lights: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Blended images (N, C, H, W) and labels (N, 1, H, W) of a plan that is on the device.

    Args:
        pixels: uint8 (N, H, W, C), contiguous; left unchanged.
        lights: of :func:`nsa._native.layout.lights_table`, where patches have some.
    """
    sources = pixels
    if lights is not None:
        sources = torch.cat([pixels, kernels.relight(pixels, lights)])
    blended = kernels.blend(pixels, sources, plan, config.blend_mode)
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
    images: Tensor, plan: DevicePlan, config: SynthesisConfig, lights: Tensor | None = None
) -> tuple[torch.cuda.CUDAGraph, Tensor, Tensor]:
    """:func:`synthesize` as a CUDA graph, which reads ``images`` and ``plan`` at every replay.

    Args:
        images: uint8 (N, C, H, W) on a GPU, channels-last; write new images into it.
        plan: of :meth:`DevicePlan.reserve`; update it before a replay.
        lights: as for :func:`blend_and_label`, on the GPU; write new ones into it, too.

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
        blend_and_label(pixels, plan, config, lights)
    torch.cuda.current_stream(pixels.device).wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):  # others may pin memory
        blended, labels = blend_and_label(pixels, plan, config, lights)
    return graph, blended, labels
