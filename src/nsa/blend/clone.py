"""Seamless cloning of one image into another, with the results of OpenCV's seamlessClone."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, overload

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nsa._native import operators
from nsa._native.devices import check_devices
from nsa._native.extension import C
from nsa._native.layout import interleaved
from nsa.errors import InputError

Array = npt.NDArray[np.uint8]


@overload
def seamless_clone(
    source: Array, destination: Array, mask: Array, center: Sequence[int], mixed: bool = False
) -> Array: ...
@overload
def seamless_clone(
    source: Tensor,
    destination: Tensor,
    mask: Tensor,
    center: Sequence[int] | Tensor | npt.NDArray[np.integer[Any]],
    mixed: bool = False,
) -> Tensor: ...
def seamless_clone(
    source: Any, destination: Any, mask: Any, center: Any, mixed: bool = False
) -> Any:
    """Clone the masked part of ``source`` into ``destination`` by solving the Poisson equation.

    A drop-in for ``cv2.seamlessClone`` with ``NORMAL_CLONE`` (eq. 3 of the NSA paper) or
    ``MIXED_CLONE`` (eq. 4): results are within one grey level of it. The mask's outer 1-px frame
    counts as zero, and the bounding box of what is left is centred on ``center``. A mask between
    0 and 255 mixes the gradients linearly. An empty mask, or one whose bounding box has a side
    below 7 px, changes nothing. No argument is written to.

    Args:
        source: uint8 image: NumPy (h, w) or (h, w, C), or a tensor (C, h, w) or (N, C, h, w);
            C is 1 or 3, in any order of colours.
        destination: the same kind of uint8 image, of any size: (H, W[, C]), (C, H, W) or
            (N, C, H, W).
        mask: uint8 with the height and width of ``source``: NumPy (h, w), or BGR (h, w, 3), which
            is converted to grey; tensor (h, w) or (1, h, w), for a batch (N, 1, h, w).
        center: (x, y) of the box's centre in ``destination``, px, integers; for a batch (N, 2).
        mixed: take the stronger gradient of source and destination.

    Returns:
        A new image like ``destination``; a batch is stored channels-last.

    Raises:
        InputError: a wrong type, dtype, shape or device, or a box that leaves ``destination``.
    """
    if isinstance(source, Tensor):
        return _clone_tensors(source, destination, mask, center, bool(mixed))
    _check_array(source, "source")
    _check_array(destination, "destination")
    if source.shape[2:] != destination.shape[2:]:
        raise InputError(
            "source and destination must have the same number of channels, got shapes "
            f"{source.shape} and {destination.shape}."
        )
    if not isinstance(mask, np.ndarray) or mask.dtype != np.uint8:
        raise InputError(f"mask must be a uint8 array, got {_kind(mask)}.")
    if mask.ndim == 3 and mask.shape[2] == 3:
        mask = _grey(mask)
    if mask.shape != source.shape[:2]:
        raise InputError(
            f"mask must have the height and width of source, {source.shape[:2]}, got {mask.shape}."
        )
    out: Array = np.empty(destination.shape, np.uint8)
    centers = np.array([_point(center)], np.int64)
    masks = np.ascontiguousarray(mask)[None]
    C.clone_cpu(_batch(source), _batch(destination), masks, centers, bool(mixed), _batch(out), 1)
    return out


def _clone_tensors(source: Tensor, destination: Any, mask: Any, center: Any, mixed: bool) -> Tensor:
    for name, value in (("destination", destination), ("mask", mask)):
        if not isinstance(value, Tensor) or value.dtype != torch.uint8:
            raise InputError(f"{name} must be a uint8 tensor like source, got {_kind(value)}.")
    single = source.ndim == 3
    if single:
        source, destination = source[None], destination[None]
        mask = mask[(None,) * (4 - mask.ndim)] if mask.ndim in (2, 3) else mask
        points = torch.tensor([_point(center)], dtype=torch.int64)
    else:
        points = torch.as_tensor(center)
        if points.dtype.is_floating_point or points.dtype == torch.bool:
            raise InputError(f"center must hold integers, got {points.dtype}.")
    sources = interleaved(source, "source")
    destinations = interleaved(destination, "destination")
    if sources.shape[::3] != destinations.shape[::3]:
        raise InputError(
            "source and destination must have the same number of images and channels, got shapes "
            f"{tuple(source.shape)} and {tuple(destination.shape)}."
        )
    count, height, width, _ = sources.shape
    if tuple(mask.shape) != (count, 1, height, width):
        raise InputError(
            f"mask must have the shape {(count, 1, height, width)}, as source has, "
            f"got {tuple(mask.shape)}."
        )
    if tuple(points.shape) != (count, 2):
        raise InputError(
            f"center must have the shape {(count, 2)}, one (x, y) per image, "
            f"got {tuple(points.shape)}."
        )
    check_devices(source=sources, destination=destinations, mask=mask)
    masks = mask.reshape(count, height, width).contiguous()
    points = points.to("cpu", torch.int64)  # where the boxes are placed and checked
    out = operators.seamless_clone(sources, destinations, masks, points, mixed)
    images = out.permute(0, 3, 1, 2)
    return images[0] if single else images


def _check_array(image: Any, name: str) -> None:
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
        raise InputError(
            f"{name} must be a uint8 array or, like every image, a tensor, got {_kind(image)}."
        )
    if image.ndim != 2 and (image.ndim != 3 or image.shape[2] not in (1, 3)):
        raise InputError(
            f"{name} must have the shape (height, width) or (height, width, 1 or 3), "
            f"got {image.shape}."
        )


def _batch(image: Array) -> Array:
    """(h, w) or (h, w, C) as contiguous (1, h, w, C)."""
    return np.ascontiguousarray(image[None] if image.ndim == 3 else image[None, :, :, None])


def _point(center: Any) -> tuple[int, int]:
    try:
        x, y = center
        return operator.index(x), operator.index(y)
    except (TypeError, ValueError):
        raise InputError(f"center must be two integers (x, y) in px, got {center!r}.") from None


def _grey(mask: Array) -> Array:
    """BGR to grey in OpenCV's fixed-point arithmetic, which it applies to masks of 3 channels."""
    weighted = mask.astype(np.int32) @ np.array([3735, 19235, 9798], np.int32)
    return ((weighted + (1 << 14)) >> 15).astype(np.uint8)


def _kind(value: Any) -> str:
    return str(value.dtype) if hasattr(value, "dtype") else type(value).__name__
