"""The kernels as PyTorch operators, with their CPU implementations and fakes.

Operators take interleaved images (count, height, width, channels); :mod:`nsa.blend` and
:mod:`nsa.label` convert from and to (count, channels, height, width). Modes, kinds and variants are
the words of :mod:`nsa.settings`, flags the numbers of OpenCV. Every operator has a fake kernel, so
that it can be traced and compiled.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from nsa._native.cuda import operators as cuda_operators
from nsa._native.extension import C
from nsa._native.host import on_host
from nsa.errors import InputError

Operator = Callable[..., Tensor]

torch.library.define(
    "nsa::blend",
    "(Tensor images, Tensor sources, Tensor rows, Tensor factors, Tensor masks, str mode) "
    "-> Tensor",
)
torch.library.define(
    "nsa::seamless_clone",
    "(Tensor sources, Tensor destinations, Tensor masks, Tensor centers, int flags) -> Tensor",
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
    arrays = on_host("images", images), on_host("sources", sources), *_plan(rows, factors, masks)
    out = torch.empty_like(images, memory_format=torch.contiguous_format)
    C.blend_cpu(*arrays, mode, out.numpy(), torch.get_num_threads())
    return out


@torch.library.impl("nsa::seamless_clone", "CPU")
def _seamless_clone_cpu(
    sources: Tensor, destinations: Tensor, masks: Tensor, centers: Tensor, flags: int
) -> Tensor:
    arrays = (
        on_host("sources", sources),
        on_host("destinations", destinations),
        on_host("masks", masks),
        on_host("centers", centers, torch.int64),
    )
    out = torch.empty_like(destinations, memory_format=torch.contiguous_format)
    C.clone_cpu(*arrays, flags, out.numpy(), torch.get_num_threads())
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
    pair = on_host("original", original), on_host("blended", blended)
    rule = kind, variant, midpoint, steepness
    out = torch.empty(original.shape[:3], dtype=torch.float32, device="cpu")
    C.label_cpu(*pair, *_plan(rows, factors, masks), *rule, out.numpy(), torch.get_num_threads())
    return out


@torch.library.impl("nsa::object_masks", "CPU")
def _object_masks_cpu(images: Tensor, background: float, threshold: float) -> Tensor:
    pixels = on_host("images", images)
    out = torch.empty(images.shape[:3], dtype=torch.uint8, device="cpu")
    C.object_masks_cpu(pixels, background, threshold, out.numpy(), torch.get_num_threads())
    return out


def _plan(rows: Tensor, factors: Tensor, masks: Tensor) -> tuple[Any, Any, Any]:
    return (
        on_host("rows", rows, torch.int32),
        on_host("factors", factors, torch.float32),
        on_host("masks", masks),
    )


def _blend_fake(
    images: Tensor, sources: Tensor, rows: Tensor, factors: Tensor, masks: Tensor, mode: str
) -> Tensor:
    _check_meta(images, sources, rows, factors, masks)
    _check_word(mode, C.blend_modes, "blend mode")
    return torch.empty_like(images, memory_format=torch.contiguous_format)


def _seamless_clone_fake(
    sources: Tensor, destinations: Tensor, masks: Tensor, centers: Tensor, flags: int
) -> Tensor:
    _check_meta(sources, destinations, masks, centers)
    C.clone_gradients(flags)  # raises if there are no such flags
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
    del midpoint, steepness
    _check_meta(original, blended, rows, factors, masks)
    _check_word(kind, C.label_kinds, "label kind")
    _check_word(variant, C.variants, "variant")
    return original.new_empty(original.shape[:3], dtype=torch.float32)


def _object_masks_fake(images: Tensor, background: float, threshold: float) -> Tensor:
    del background, threshold
    return images.new_empty(images.shape[:3])


def _check_meta(*tensors: Tensor) -> None:
    """One tensor without data among others brings them here, where there is no result for them."""
    if any(tensor is None for tensor in tensors):  # which torch takes for a tensor
        raise InputError("A tensor is missing.")
    if len({tensor.device.type == "meta" for tensor in tensors}) > 1:
        raise InputError("Some tensors are on the meta device and have no data; move all there.")


def _check_word(word: str, known: Sequence[str], what: str) -> None:
    if word not in known:
        raise InputError(f"{word!r} is not a {what}.")


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
