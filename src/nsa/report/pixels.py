"""Images, maps and masks as the drawing functions take them."""

from __future__ import annotations

from typing import Any, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt
import torch

from nsa.errors import InputError

Image: TypeAlias = npt.NDArray[np.uint8] | torch.Tensor
Map: TypeAlias = npt.NDArray[Any] | torch.Tensor
Rgb: TypeAlias = npt.NDArray[np.uint8]


def rgb(image: Image) -> Rgb:
    """An image as uint8 (H, W, 3); grey is repeated.

    Args:
        image: uint8 tensor (C, H, W) or array (H, W, C) or (H, W), with C in {1, 3}.

    Raises:
        InputError: another dtype or shape.
    """
    given = tuple(image.shape)
    if isinstance(image, torch.Tensor):
        if image.ndim == 3:
            image = image.permute(1, 2, 0)
        image = image.detach().cpu().numpy()
    array = np.asarray(image)
    if array.ndim == 2:
        array = array[..., None]
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] not in (1, 3):
        raise InputError(
            "An image must be a uint8 tensor (C, H, W) or array (H, W, C) or (H, W) with 1 or 3 "
            f"channels, got {array.dtype} of shape {given}."
        )
    return np.ascontiguousarray(np.broadcast_to(array, (*array.shape[:2], 3)))


def plane(values: Map, size: tuple[int, int], *, smooth: bool) -> npt.NDArray[np.float32]:
    """A map or mask as float32 of the image's ``size`` (height, width).

    Args:
        values: (H, W) or (1, H, W), of any number type.
        smooth: resize bilinearly (maps) instead of by nearest neighbour (masks).

    Raises:
        InputError: another shape, NaN or infinity.
    """
    if isinstance(values, torch.Tensor):
        values = values.detach().float().cpu().numpy()
    array = np.asarray(values, dtype=np.float32)
    if array.ndim == 3 and array.shape[0] == 1:
        array = array[0]
    if array.ndim != 2:
        raise InputError(f"A map or mask must have the shape (H, W), got {array.shape}.")
    if not np.isfinite(array).all():
        raise InputError("A map or mask holds NaN or infinity; check the model that produced it.")
    if array.shape != size:
        mode = cv2.INTER_LINEAR if smooth else cv2.INTER_NEAREST
        resized = cv2.resize(np.ascontiguousarray(array), size[::-1], interpolation=mode)
        array = np.asarray(resized, dtype=np.float32)
    return array


def png(picture: npt.NDArray[np.uint8]) -> bytes:
    """A picture, uint8 (H, W, 3) RGB or (H, W), as a PNG file."""
    stored = picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    encoded: npt.NDArray[np.uint8] = cv2.imencode(".png", stored)[1]
    return encoded.tobytes()
