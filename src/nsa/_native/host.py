"""Tensors on the host as the arrays that the bindings take."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nsa.errors import InputError

Integers = TypeVar("Integers", Tensor, npt.NDArray[np.int32])


def on_host(name: str, tensor: Tensor, dtype: torch.dtype = torch.uint8) -> npt.NDArray[Any]:
    """``tensor`` as the contiguous array that kernels of the CPU read; no copy if it is one.

    Raises:
        InputError: it is on another device or of another type, or it is part of a gradient.
    """
    if not isinstance(tensor, Tensor):  # torch takes None for a tensor
        raise InputError(f"{name} must be a tensor, got {tensor!r}.")
    if tensor.device.type != "cpu" or tensor.layout != torch.strided or tensor.dtype != dtype:
        raise InputError(
            f"{name} must be a dense {dtype} tensor on the CPU, got {tensor.dtype} of layout "
            f"{tensor.layout} on {tensor.device}."
        )
    if tensor.requires_grad:
        raise InputError(f"{name} requires a gradient, and there is none; pass {name}.detach().")
    return tensor.contiguous().numpy()


def brightness(colours: Integers) -> Integers:
    """Int32 (..., 3 or more: B, G, R) to the grey (...) of OpenCV's fixed-point arithmetic."""
    blue, green, red = colours[..., 0], colours[..., 1], colours[..., 2]
    return (3735 * blue + 19235 * green + 9798 * red + (1 << 14)) >> 15
