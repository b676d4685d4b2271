"""Images as anomalib has them, RGB in [0, 1], and as this package has them, in grey levels."""

from __future__ import annotations

import torch
from torch import Tensor

from nsa._native.cuda import support
from nsa.errors import InputError

_RED, _GREEN, _BLUE = 0.299, 0.587, 0.114  # as a picture is made grey by image libraries


def with_channels(images: Tensor, channels: int) -> Tensor:
    """Images (N, 3, H, W) with as many channels as a detector takes.

    Raises:
        InputError: they have others.
    """
    if channels == images.shape[1]:
        return images
    if (images.shape[1], channels) != (3, 1):
        raise InputError(
            f"images must have {channels} channels, or 3 for a grey detector, got "
            f"{images.shape[1]}."
        )
    red, green, blue = (images[:, channel : channel + 1] for channel in range(3))
    return _RED * red + _GREEN * green + _BLUE * blue


def to_levels(images: Tensor) -> Tensor:
    """Grey levels, uint8 (N, C, H, W), of images in [0, 1].

    They are on the images' device where the synthesis runs there, else on the CPU.

    Raises:
        InputError: the images are no batch, or leave that range.
    """
    if images.ndim != 4 or not images.is_floating_point():
        raise InputError(
            "images must be a batch, float (N, C, H, W), since anomalies are made of patches of "
            f"other images; got {images.dtype} with shape {tuple(images.shape)}."
        )
    low, high = (float(limit) for limit in torch.aminmax(images)) if images.numel() else (0.0, 1.0)
    if not (low >= -1e-3 and high <= 1 + 1e-3):  # of NaN too
        raise InputError(
            f"images must be in [0, 1], got {low:.3g} to {high:.3g}; leave Normalize out of the "
            "pre-processor's transform."
        )
    device = images.device
    if device.type != "cpu" and not (device.type == "cuda" and support.usable(device)):
        images = images.cpu()
    return (images.detach().float() * 255).round().clamp(0, 255).to(torch.uint8)
