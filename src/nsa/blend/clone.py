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
from nsa._native.host import brightness
from nsa._native.layout import check_images, interleaved
from nsa.errors import InputError

Array = npt.NDArray[np.uint8]
_FAR = 2**31  # px, beyond every image


@overload
def seamless_clone(
    src: Array, dst: Array, mask: Array | None, center: Sequence[int], flags: int
) -> Array: ...
@overload
def seamless_clone(
    src: Tensor,
    dst: Tensor,
    mask: Tensor | None,
    center: Sequence[int] | Tensor | npt.NDArray[np.integer[Any]],
    flags: int,
) -> Tensor: ...
def seamless_clone(src: Any, dst: Any, mask: Any, center: Any, flags: Any) -> Any:
    """Clone the masked part of ``src`` into ``dst`` by solving the Poisson equation.

    A drop-in for ``cv2.seamlessClone``, whose results it is within one grey level of. The mask's
    outer 1-px frame counts as zero, and the bounding box of what is left is placed by ``center``. A
    mask between 0 and 255 mixes the gradients linearly. A mask of zeros, or one whose bounding box
    has a side below 7 px, changes nothing. No argument is written to.

    >>> patch, image = np.full((40, 40, 3), 200, np.uint8), np.full((99, 99, 3), 90, np.uint8)
    >>> cloned = seamless_clone(patch, image, None, (50, 50), 1)  # 1: cv2.NORMAL_CLONE
    >>> int(cloned.max())  # a flat patch has no gradients, so nothing is seen of it
    90

    Args:
        src: uint8 image: NumPy (h, w) or (h, w, C), or a tensor (C, h, w) or (N, C, h, w); C is 1,
            which stands for every channel of ``dst``, 3, or 4 with an alpha channel, which is not
            read.
        dst: the same kind of uint8 image, of any size: (H, W[, C]), (C, H, W) or (N, C, H, W). A
            fourth channel is kept as it is.
        mask: uint8 with the height and width of ``src``: NumPy (h, w) or (h, w, C); tensor (h, w)
            or (C, h, w), for a batch (N, C, h, w). Three or four channels, B, G, R first, are
            converted to grey. None, or one without elements: all of ``src``.
        center: (x, y) in ``dst``, px, whole numbers; for a batch (N, 2). OpenCV calls it ``p``.
        flags: the numbers of OpenCV: ``NORMAL_CLONE`` 1 takes the gradients of ``src`` (eq. 3 of
            the NSA paper), ``MIXED_CLONE`` 2 the stronger ones of ``src`` and ``dst`` (eq. 4),
            ``MONOCHROME_TRANSFER`` 3 those of the brightness of ``src``, whose channels it reads as
            B, G, R. They put the middle of the mask's bounding box at ``center``; their ``_WIDE``,
            9, 10 and 11, the middle of the whole mask.

    Returns:
        A new image like ``dst``; a batch is stored channels-last.

    Raises:
        InputError: a wrong type, dtype, shape, device or flag, or a box that leaves ``dst``.
    """
    try:
        if isinstance(flags, (bool, np.bool_)):
            raise TypeError
        flags = operator.index(flags)
    except TypeError:
        raise InputError(
            f"flags must be a number, such as cv2.NORMAL_CLONE, got {flags!r}."
        ) from None
    if not -_FAR <= flags < _FAR:
        raise InputError(f"flags must be one of OpenCV's numbers, got {flags}.")
    if isinstance(src, Tensor):
        return _clone_tensors(src, dst, mask, center, flags)
    _check_array(src, "src")
    _check_array(dst, "dst")
    sources, destinations = _batch(src), _batch(dst)
    _check_channels(src, dst, sources.shape[3], destinations.shape[3])
    centers = np.array([_point(center)], np.int64)
    out: Array = np.empty(destinations.shape, np.uint8)
    C.clone_cpu(sources, destinations, _mask_of(mask, src), centers, flags, out, 1)
    if dst.ndim == 3 and dst.shape[2] == 4:
        return np.concatenate([out[0], dst[..., 3:]], axis=2)
    return out.reshape(dst.shape)


def _clone_tensors(src: Tensor, dst: Any, mask: Any, center: Any, flags: int) -> Tensor:
    for name, value in (("dst", dst), ("mask", mask)):
        if name == "mask" and value is None:
            continue
        if not isinstance(value, Tensor) or value.dtype != torch.uint8:
            raise InputError(f"{name} must be a uint8 tensor like src, got {_kind(value)}.")
        if value.layout != torch.strided:
            raise InputError(f"{name} must be a dense tensor, got one of layout {value.layout}.")
    single = src.ndim == 3
    if single:
        src, dst = src[None], dst[None]
        if mask is not None and mask.ndim in (2, 3):
            mask = mask[(None,) * (4 - mask.ndim)]
        points = torch.tensor([_point(center)], dtype=torch.int64)
    else:
        points = _points(center)
    for name, images in (("src", src), ("dst", dst)):
        check_images(images, name, channels=(1, 3, 4))
    sources, destinations = interleaved(_colours(src), "src"), interleaved(_colours(dst), "dst")
    _check_channels(src, dst, sources.shape[3], destinations.shape[3])
    count, height, width, _ = sources.shape
    if len(destinations) != count:
        raise InputError(
            f"src and dst must have the same number of images, got {count} and {len(destinations)}."
        )
    if mask is None or mask.numel() == 0 < count:
        mask = src.new_full((count, 1, height, width), 255)
    if (
        mask.ndim != 4
        or mask.shape[::2] != src.shape[::2]
        or mask.shape[3] != width
        or (mask.shape[1] not in (1, 3, 4))
    ):
        raise InputError(
            f"mask must have the shape {(count, 1, height, width)}, as src has, "
            f"got {tuple(mask.shape)}."
        )
    if tuple(points.shape) != (count, 2):
        raise InputError(
            f"center must have the shape {(count, 2)}, one (x, y) per image, "
            f"got {tuple(points.shape)}."
        )
    check_devices(src=sources, dst=destinations, mask=mask)
    if mask.shape[1] > 1:
        mask = brightness(mask.permute(0, 2, 3, 1).int()).to(torch.uint8)
    masks = mask.reshape(count, height, width).contiguous()
    out = operators.seamless_clone(sources, destinations, masks, points, flags)
    images = out.permute(0, 3, 1, 2)
    if dst.shape[1] == 4:
        images = torch.cat([images, dst[:, 3:]], 1).contiguous(memory_format=torch.channels_last)
    return images[0] if single else images


def _colours(images: Tensor) -> Tensor:
    """Without alpha."""
    return images[:, :3] if images.shape[1] == 4 else images


def _check_array(image: Any, name: str) -> None:
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
        raise InputError(
            f"{name} must be a uint8 array or, like every image, a tensor, got {_kind(image)}."
        )
    if image.ndim != 2 and (image.ndim != 3 or image.shape[2] not in (1, 3, 4)):
        raise InputError(
            f"{name} must have the shape (height, width) or (height, width, 1, 3 or 4), "
            f"got {image.shape}."
        )


def _check_channels(src: Any, dst: Any, source: int, destination: int) -> None:
    """source, destination: numbers of channels without alpha."""
    if source not in (1, destination):
        raise InputError(
            "src and dst must have the same number of channels, or src one, got shapes "
            f"{tuple(src.shape)} and {tuple(dst.shape)}."
        )


def _batch(image: Array) -> Array:
    """(h, w) or (h, w, C) as contiguous (1, h, w, 1 or 3)."""
    if image.ndim == 2:
        return np.ascontiguousarray(image[None, :, :, None])
    return np.ascontiguousarray(image[None] if image.shape[2] < 4 else image[None, ..., :3])


def _mask_of(mask: Any, src: Array) -> Array:
    """The mask of an array as (1, h, w)."""
    shape = src.shape[:2]
    if mask is None or (isinstance(mask, np.ndarray) and mask.size == 0 and 0 not in shape):
        return np.full((1, *shape), 255, np.uint8)
    if not isinstance(mask, np.ndarray) or mask.dtype != np.uint8:
        raise InputError(f"mask must be a uint8 array, got {_kind(mask)}.")
    if mask.shape[:2] != shape or (mask.ndim != 2 and mask.shape[2:] not in ((1,), (3,), (4,))):
        raise InputError(
            f"mask must have the height and width of src, {shape}, and 1, 3 or 4 channels, got "
            f"{mask.shape}."
        )
    if mask.ndim == 2:
        return np.ascontiguousarray(mask[None])
    if mask.shape[2] == 1:
        return np.ascontiguousarray(mask[None, :, :, 0])
    return brightness(mask[None].astype(np.int32)).astype(np.uint8)


def _point(center: Any) -> tuple[int, int]:
    try:
        x, y = center
        if type(x) is int and type(y) is int and -_FAR < x < _FAR and -_FAR < y < _FAR:
            return x, y
        x, y = _whole(x), _whole(y)
    except (TypeError, ValueError):
        raise InputError(
            f"center must be two whole numbers (x, y) of px below 2^31, got {center!r}."
        ) from None
    return x, y


def _whole(value: Any) -> int:
    """A number that may be a float, such as half of an even side; ValueError if it is no whole."""
    if isinstance(value, (bool, np.bool_, str, bytes)):
        raise ValueError
    number = int(value) if float(value).is_integer() else operator.index(value)
    if not -_FAR < number < _FAR:
        raise ValueError
    return number


def _points(center: Any) -> Tensor:
    """Centres of a batch as int64 on the CPU, where the boxes are placed and checked."""
    wanted = "center must be one (x, y) per image, of whole numbers of px below 2^31"
    try:
        points = torch.as_tensor(center).to("cpu")
    except (TypeError, ValueError, RuntimeError):
        raise InputError(f"{wanted}.") from None
    if points.dtype == torch.bool or points.is_complex() or points.layout != torch.strided:
        raise InputError(f"{wanted}, got {points.dtype} of layout {points.layout}.")
    if points.is_floating_point() or points.dtype == torch.uint64:
        wide = points.to(torch.float64)
        if not ((wide == wide.round()) & (wide.abs() < _FAR)).all():
            raise InputError(f"{wanted}.")
        points = wide
    return points.to(torch.int64)


def _kind(value: Any) -> str:
    return str(value.dtype) if hasattr(value, "dtype") else type(value).__name__
