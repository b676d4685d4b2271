"""From resized images to what the network reads: the crop of evaluation, and scaled pixels."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nsa._native.cuda import kernels, support
from nsa._native.layout import check_images, space_to_depth
from nsa.errors import InputError
from nsa.settings.config import ImageConfig, middle


@dataclass(frozen=True)
class Scaling:
    """How a network takes its images: ``(x - mean) / deviation``, channel by channel.

    Attributes:
        mean, deviation: of pixels in [0, 1], one value per channel.
    """

    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    def of_pixels(self) -> tuple[Tensor, Tensor]:
        """What pixels in [0, 255] are multiplied by and what is then added, float32 (channels,)."""
        mean, deviation = _float32(*self.mean), _float32(*self.deviation)
        return 1 / (255 * deviation), -(mean / deviation)


IMAGENET = Scaling((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_GREY = Scaling((0.0,), (1.0,))


def scaling_of(channels: int) -> Scaling:
    """Of this package's own networks: ImageNet's for colour, [0, 1] for grey images."""
    return _GREY if channels == 1 else IMAGENET


def center_crop(images: Tensor, config: ImageConfig) -> Tensor:
    """The crop that evaluation sees: ``config.crop`` from the centre of ``config.size``.

    Args:
        images: uint8 (N, config.channels, *config.size), any device.

    Returns:
        uint8 (N, config.channels, *config.crop), channels-last.

    Raises:
        InputError: the images are not as ``config`` says.
    """
    check_size(images, config, config.size)
    (rows, columns), (height, width) = config.crop, config.size
    top, left = middle(height, rows), middle(width, columns)
    cropped = images[:, :, top : top + rows, left : left + columns]
    return cropped.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)


def to_network_input(
    images: Tensor,
    config: ImageConfig,
    dtype: torch.dtype = torch.float32,
    *,
    in_blocks: bool = False,
) -> Tensor:
    """Scale pixels as the network expects them.

    RGB images get ImageNet's mean and deviation, grey ones are only scaled to [0, 1].

    Args:
        images: uint8 (N, config.channels, H, W), any device.
        dtype: float32 or bfloat16.
        in_blocks: the layout that the network's form ``stem`` reads.

    Returns:
        ``dtype`` of the same shape, channels-last; ``in_blocks``: (N, 4 (C + 1), ceil(H / 2) + 3,
        ceil(W / 2) + 3), channels-last, see :func:`nsa._native.layout.space_to_depth`.

    Raises:
        InputError: the images are not uint8 or have other channels, or the dtype is another.
    """
    check_images(images, channels=(config.channels,))
    if dtype not in (torch.float32, torch.bfloat16):
        raise InputError(f"dtype must be torch.float32 or torch.bfloat16, got {dtype}.")
    scale, shift = input_scale(config.channels)
    if images.is_cuda and support.usable(images.device):
        kernel = kernels.normalise_in_blocks if in_blocks else kernels.normalise
        pixels = images.permute(0, 2, 3, 1).contiguous()
        return kernel(pixels, scale.tolist(), shift.tolist(), dtype).permute(0, 3, 1, 2)
    width = images.shape[3]
    # One long row of interleaved values a line: three at a time would not vectorise.
    lines = images.permute(0, 2, 3, 1).flatten(2).to(torch.float32)
    scale, shift = (values.to(lines.device).repeat(width) for values in (scale, shift))
    lines.mul_(scale).add_(shift)
    inputs = lines.view(*lines.shape[:2], width, config.channels).permute(0, 3, 1, 2).to(dtype)
    return space_to_depth(inputs) if in_blocks else inputs


def input_scale(channels: int) -> tuple[Tensor, Tensor]:
    """See :meth:`Scaling.of_pixels`; of this package's own networks."""
    return scaling_of(channels).of_pixels()


def _float32(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float32, device="cpu")


def check_size(images: Tensor, config: ImageConfig, size: tuple[int, int]) -> None:
    """Check that a batch is as a configuration says.

    Raises:
        InputError: the images are not uint8 (N, config.channels, *size).
    """
    check_images(images)
    if tuple(images.shape[1:]) != (config.channels, *size):
        raise InputError(
            f"images must be (N, {config.channels}, {size[0]}, {size[1]}) as the "
            f"configuration says, got {tuple(images.shape)}."
        )
