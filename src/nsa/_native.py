"""Loads the compiled kernels and registers them as PyTorch operators.

The operators take interleaved images (count, height, width, channels), contiguous, as the kernels
read them; :mod:`nsa.blend` and :mod:`nsa.label` convert from and to (count, channels, height,
width). Every operator has a fake kernel, so that it can be traced and compiled.
"""

from __future__ import annotations

import importlib
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

DEVICES = ("cpu",)  # device types the operators below have kernels for


def check_devices(**tensors: Tensor) -> None:
    """Raise :class:`InputError` unless all tensors are on one device that has kernels."""
    first_name, first = next(iter(tensors.items()))
    for name, tensor in tensors.items():
        if tensor.device != first.device:
            raise InputError(
                f"{first_name} is on {first.device} and {name} on {tensor.device}; "
                "move both to one device."
            )
    if first.device.type not in DEVICES:
        raise InputError(
            f"{first_name} is on {first.device}, for which this build has no kernels; "
            f"move it to {' or '.join(DEVICES)}."
        )


torch.library.define(
    "nsa::blend",
    "(Tensor images, Tensor sources, Tensor rows, Tensor factors, Tensor masks, int mode) -> Tensor",
)
torch.library.define(
    "nsa::seamless_clone",
    "(Tensor sources, Tensor destinations, Tensor masks, Tensor centers, bool mixed) -> Tensor",
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


@torch.library.register_fake("nsa::blend")
def _blend_fake(
    images: Tensor, sources: Tensor, rows: Tensor, factors: Tensor, masks: Tensor, mode: int
) -> Tensor:
    del sources, rows, factors, masks, mode
    return torch.empty_like(images, memory_format=torch.contiguous_format)


@torch.library.register_fake("nsa::seamless_clone")
def _seamless_clone_fake(
    sources: Tensor, destinations: Tensor, masks: Tensor, centers: Tensor, mixed: bool
) -> Tensor:
    del sources, masks, centers, mixed
    return torch.empty_like(destinations, memory_format=torch.contiguous_format)
