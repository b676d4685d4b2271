"""The kernels as PyTorch operators, with their CPU implementations and fakes.

Operators take interleaved images (count, height, width, channels); :mod:`nsa.blend` and
:mod:`nsa.label` convert from and to (count, channels, height, width). Modes, kinds and variants are
the words of :mod:`nsa.settings`. Every operator has a fake kernel, so that it can be traced and
compiled.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from nsa._native.cuda import operators as cuda_operators
from nsa._native.extension import C

Operator = Callable[..., Tensor]

torch.library.define(
    "nsa::blend",
    "(Tensor images, Tensor sources, Tensor rows, Tensor factors, Tensor masks, str mode) "
    "-> Tensor",
)
torch.library.define(
    "nsa::seamless_clone",
    "(Tensor sources, Tensor destinations, Tensor masks, Tensor centers, bool mixed) -> Tensor",
)
torch.library.define(
    "nsa::label",
    "(Tensor original, Tensor blended, Tensor rows, Tensor factors, Tensor masks, str kind, "
    "str variant, float midpoint, float steepness) -> Tensor",
)
torch.library.define(
    "nsa::object_masks", "(Tensor images, float background, float threshold) -> Tensor"
)


@torch.library.impl("nsa::blend", "CPU")
def _blend_cpu(
    images: Tensor, sources: Tensor, rows: Tensor, factors: Tensor, masks: Tensor, mode: str
) -> Tensor:
    out = torch.empty_like(images, memory_format=torch.contiguous_format)
    C.blend_cpu(
        images.contiguous().numpy(),
        sources.contiguous().numpy(),
        rows.contiguous().numpy(),
        factors.contiguous().numpy(),
        masks.contiguous().numpy(),
        mode,
        out.numpy(),
        torch.get_num_threads(),
    )
    return out


@torch.library.impl("nsa::seamless_clone", "CPU")
def _seamless_clone_cpu(
    sources: Tensor, destinations: Tensor, masks: Tensor, centers: Tensor, mixed: bool
) -> Tensor:
    out = torch.empty_like(destinations, memory_format=torch.contiguous_format)
    C.clone_cpu(
        sources.contiguous().numpy(),
        destinations.contiguous().numpy(),
        masks.contiguous().numpy(),
        centers.contiguous().numpy(),
        mixed,
        out.numpy(),
        torch.get_num_threads(),
    )
    return out


@torch.library.impl("nsa::label", "CPU")
def _label_cpu(
    original: Tensor,
    blended: Tensor,
    rows: Tensor,
    factors: Tensor,
    masks: Tensor,
    kind: str,
    variant: str,
    midpoint: float,
    steepness: float,
) -> Tensor:
    out = torch.empty(original.shape[:3], dtype=torch.float32, device="cpu")
    C.label_cpu(
        original.contiguous().numpy(),
        blended.contiguous().numpy(),
        rows.contiguous().numpy(),
        factors.contiguous().numpy(),
        masks.contiguous().numpy(),
        kind,
        variant,
        midpoint,
        steepness,
        out.numpy(),
        torch.get_num_threads(),
    )
    return out


@torch.library.impl("nsa::object_masks", "CPU")
def _object_masks_cpu(images: Tensor, background: float, threshold: float) -> Tensor:
    out = torch.empty(images.shape[:3], dtype=torch.uint8, device="cpu")
    C.object_masks_cpu(
        images.contiguous().numpy(), background, threshold, out.numpy(), torch.get_num_threads()
    )
    return out


def _blend_fake(
    images: Tensor, sources: Tensor, rows: Tensor, factors: Tensor, masks: Tensor, mode: str
) -> Tensor:
    del sources, rows, factors, masks, mode
    return torch.empty_like(images, memory_format=torch.contiguous_format)


def _seamless_clone_fake(
    sources: Tensor, destinations: Tensor, masks: Tensor, centers: Tensor, mixed: bool
) -> Tensor:
    del sources, masks, centers, mixed
    return torch.empty_like(destinations, memory_format=torch.contiguous_format)


def _label_fake(
    original: Tensor,
    blended: Tensor,
    rows: Tensor,
    factors: Tensor,
    masks: Tensor,
    kind: str,
    variant: str,
    midpoint: float,
    steepness: float,
) -> Tensor:
    del blended, rows, factors, masks, kind, variant, midpoint, steepness
    return original.new_empty(original.shape[:3], dtype=torch.float32)


def _object_masks_fake(images: Tensor, background: float, threshold: float) -> Tensor:
    del background, threshold
    return images.new_empty(images.shape[:3])


torch.library.register_fake("nsa::blend", _blend_fake)
torch.library.register_fake("nsa::seamless_clone", _seamless_clone_fake)
torch.library.register_fake("nsa::label", _label_fake)
torch.library.register_fake("nsa::object_masks", _object_masks_fake)


torch.library.impl("nsa::blend", "CUDA")(cuda_operators.blend)
torch.library.impl("nsa::seamless_clone", "CUDA")(cuda_operators.seamless_clone)
torch.library.impl("nsa::label", "CUDA")(cuda_operators.label)
torch.library.impl("nsa::object_masks", "CUDA")(cuda_operators.object_masks)

blend: Operator = torch.ops.nsa.blend
seamless_clone: Operator = torch.ops.nsa.seamless_clone
label: Operator = torch.ops.nsa.label
object_masks: Operator = torch.ops.nsa.object_masks
