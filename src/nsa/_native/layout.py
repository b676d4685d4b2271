"""Checks of images, and the layouts that kernels and the network read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from nsa._native import check_devices
from nsa.errors import InputError

if TYPE_CHECKING:
    from nsa.plan.table import Plan


def interleaved(images: Tensor, name: str) -> Tensor:
    """``images`` uint8 (N, C, H, W) as contiguous (N, H, W, C); no copy if channels-last.

    Raises:
        InputError: not a uint8 tensor of that shape with C 1 or 3 and at least one pixel, or on a
            device without kernels.
    """
    if not isinstance(images, Tensor):
        raise InputError(f"{name} must be a torch tensor, got {type(images).__name__}.")
    if images.ndim != 4 or images.shape[1] not in (1, 3) or 0 in images.shape[2:]:
        raise InputError(
            f"{name} must have the shape (N, C, H, W) with C 1 or 3 and at least one pixel, got "
            f"{tuple(images.shape)}."
        )
    if images.dtype != torch.uint8:
        raise InputError(f"{name} must be uint8, got {images.dtype}.")
    check_devices(**{name: images})
    return images.permute(0, 2, 3, 1).contiguous()


def space_to_depth(x: Tensor) -> Tensor:
    """The network's input in blocks of 2 x 2 pixels, as its first convolution reads them.

    A pixel is given one more channel, of zeros, so that a block has 8 or 16 of them: GPUs multiply
    whole groups of 8. Around the image lie the zeros that the convolution would pad, two blocks
    before and one behind; odd sides are completed by zeros too.

    Args:
        x: (N, C, H, W), C 1 or 3.

    Returns:
        (N, 4 (C + 1), ceil(H / 2) + 3, ceil(W / 2) + 3), channels-last. Channels are ordered by row
        and column in the block, then by the pixel's channel.
    """
    count, channels, height, width = x.shape
    rows, columns = -(-height // 2) + 3, -(-width // 2) + 3
    whole = F.pad(x, (4, 2 * columns - 4 - width, 4, 2 * rows - 4 - height, 0, 1))
    pixels = whole.permute(0, 2, 3, 1).reshape(count, rows, 2, columns, 2, channels + 1)
    blocks = pixels.transpose(2, 3).reshape(count, rows, columns, 4 * (channels + 1))
    return blocks.permute(0, 3, 1, 2)


def plan_tensors(plan: Plan) -> tuple[Tensor, Tensor, Tensor]:
    """Rows, factors and masks of a plan as tensors on the CPU, where every operator checks them."""
    return (
        torch.from_numpy(np.require(plan.rows, np.int32, ["C", "W"])),
        torch.from_numpy(np.require(plan.factors, np.float32, ["C", "W"])),
        torch.from_numpy(np.require(plan.masks, np.uint8, ["C", "W"])),
    )


def image_pair(original: Tensor, blended: Tensor, names: tuple[str, str]) -> tuple[Tensor, Tensor]:
    """Both images of :func:`interleaved`, of one shape.

    Raises:
        InputError: as there, or the shapes or devices differ.
    """
    pair = interleaved(original, names[0]), interleaved(blended, names[1])
    if pair[0].shape != pair[1].shape:
        raise InputError(
            f"{names[1]} must have the shape of {names[0]}, {tuple(original.shape)}, got "
            f"{tuple(blended.shape)}."
        )
    check_devices(**dict(zip(names, pair, strict=True)))
    return pair
