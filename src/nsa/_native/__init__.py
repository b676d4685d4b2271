"""Loads the compiled kernels and registers them as PyTorch operators.

The operators take interleaved images (count, height, width, channels), contiguous, as the kernels
read them; :mod:`nsa.blend` and :mod:`nsa.label` convert from and to (count, channels, height,
width). Every operator has a fake kernel, so that it can be traced and compiled.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from nsa.errors import InputError


def _load() -> ModuleType:
    try:
        return importlib.import_module("nsa._C")
    except ModuleNotFoundError as error:
        raise ImportError(
            "The compiled part of nsa (nsa._C) is missing: the package was copied or is imported "
            "from a source folder without being built; run `pip install .` in that folder."
        ) from error
    except ImportError as error:
        raise ImportError(
            f"The compiled part of nsa (nsa._C) does not load: {error}. It was built for another "
            "Python, system or C++ library; run `pip install --force-reinstall --no-deps .` again "
            "in this environment."
        ) from error


C: Any = _load()


def check_devices(**tensors: Tensor) -> None:
    """Raise :class:`InputError` unless all tensors are on one device that has kernels."""
    first_name, first = next(iter(tensors.items()))
    for name, tensor in tensors.items():
        if tensor.device != first.device:
            raise InputError(
                f"{first_name} is on {first.device} and {name} on {tensor.device}; "
                "move both to one device."
            )
    if first.device.type == "cuda":
        importlib.import_module("nsa._native.cuda.support").check_device(first.device)
    elif first.device.type != "cpu":
        raise InputError(
            f"{first_name} is on {first.device}, for which there are no kernels; "
            "move it to the CPU or to an NVIDIA GPU."
        )


torch.library.define(
    "nsa::blend",
    "(Tensor images, Tensor sources, Tensor rows, Tensor factors, Tensor masks, int mode) "
    "-> Tensor",
)
torch.library.define(
    "nsa::seamless_clone",
    "(Tensor sources, Tensor destinations, Tensor masks, Tensor centers, bool mixed) -> Tensor",
)
torch.library.define(
    "nsa::label",
    "(Tensor original, Tensor blended, Tensor rows, Tensor factors, Tensor masks, int kind, "
    "bool overwrite, float midpoint, float steepness) -> Tensor",
)
torch.library.define(
    "nsa::object_masks", "(Tensor images, float background, float threshold) -> Tensor"
)


@torch.library.impl("nsa::blend", "CPU")
def _blend_cpu(
    images: Tensor, sources: Tensor, rows: Tensor, factors: Tensor, masks: Tensor, mode: int
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
    kind: int,
    overwrite: bool,
    midpoint: float,
    steepness: float,
) -> Tensor:
    out = torch.empty(original.shape[:3], dtype=torch.float32)
    C.label_cpu(
        original.contiguous().numpy(),
        blended.contiguous().numpy(),
        rows.contiguous().numpy(),
        factors.contiguous().numpy(),
        masks.contiguous().numpy(),
        kind,
        overwrite,
        midpoint,
        steepness,
        out.numpy(),
        torch.get_num_threads(),
    )
    return out


@torch.library.impl("nsa::object_masks", "CPU")
def _object_masks_cpu(images: Tensor, background: float, threshold: float) -> Tensor:
    out = torch.empty(images.shape[:3], dtype=torch.uint8)
    C.object_masks_cpu(
        images.contiguous().numpy(), background, threshold, out.numpy(), torch.get_num_threads()
    )
    return out


def _blend_fake(
    images: Tensor, sources: Tensor, rows: Tensor, factors: Tensor, masks: Tensor, mode: int
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
    kind: int,
    overwrite: bool,
    midpoint: float,
    steepness: float,
) -> Tensor:
    del blended, rows, factors, masks, kind, overwrite, midpoint, steepness
    return original.new_empty(original.shape[:3], dtype=torch.float32)


def _object_masks_fake(images: Tensor, background: float, threshold: float) -> Tensor:
    del background, threshold
    return images.new_empty(images.shape[:3])


torch.library.register_fake("nsa::blend", _blend_fake)
torch.library.register_fake("nsa::seamless_clone", _seamless_clone_fake)
torch.library.register_fake("nsa::label", _label_fake)
torch.library.register_fake("nsa::object_masks", _object_masks_fake)


def _on_gpu(name: str) -> Callable[..., Any]:
    """An operator's CUDA implementation, imported when it is first called."""

    def run(*arguments: Any) -> Any:
        return getattr(importlib.import_module("nsa._native.cuda.operators"), name)(*arguments)

    return run


for _name in ("blend", "seamless_clone", "label", "object_masks"):
    torch.library.impl(f"nsa::{_name}", "CUDA")(_on_gpu(_name))
