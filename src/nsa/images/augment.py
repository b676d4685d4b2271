"""Crops, rotation and flips of Section 4.1: parameters are drawn first, then applied.

Rotation, both crops and the flip compose to one lookup per output pixel, see
:mod:`nsa.images.gather`; on a GPU a kernel does the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nsa._native.cuda import kernels, support
from nsa._native.devices import check_devices
from nsa._native.layout import check_images, space_to_depth, views
from nsa.errors import InputError
from nsa.images.gather import gather
from nsa.settings.config import ImageConfig

_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_DEVIATION = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Augmentation:
    """How each image of a batch is rotated, cropped and flipped.

    Attributes:
        angle: float32 (N,), counter-clockwise rotation about the image's centre, degrees.
        top, left: int32 (N,), position of the final crop in the rotated image, px.
        flip: uint8 (N,), 1 where the crop is turned upside down.
        crop: (height, width) of the result, px.
    """

    angle: npt.NDArray[np.float32]
    top: npt.NDArray[np.int32]
    left: npt.NDArray[np.int32]
    flip: npt.NDArray[np.uint8]
    crop: tuple[int, int]

    def __len__(self) -> int:
        return len(self.angle)

    def of(self, chosen: npt.NDArray[np.int64]) -> Augmentation:
        """The parameters of some images."""
        return Augmentation(
            self.angle[chosen], self.top[chosen], self.left[chosen], self.flip[chosen], self.crop
        )


def draw_augmentation(config: ImageConfig, count: int, seed: int) -> Augmentation:
    """Draw the parameters of ``count`` images; the same seed gives the same parameters.

    The angle is uniform in [-rotation, rotation], the crop's position uniform inside the centre
    crop, the flip has probability 1/2.
    """
    random = np.random.default_rng(seed)
    inner = config.center_crop or config.size
    margin = [outer - side for outer, side in zip(inner, config.crop, strict=True)]
    frame = [_middle(outer, side) for outer, side in zip(config.size, inner, strict=True)]
    angle = random.uniform(-config.rotation, config.rotation, count)
    top = frame[0] + random.integers(0, margin[0], count, endpoint=True)
    left = frame[1] + random.integers(0, margin[1], count, endpoint=True)
    flip = random.random(count) < (0.5 if config.vertical_flip else 0.0)
    return Augmentation(
        angle.astype(np.float32),
        top.astype(np.int32),
        left.astype(np.int32),
        flip.astype(np.uint8),
        config.crop,
    )


def apply_augmentation(images: Tensor, augmentation: Augmentation) -> Tensor:
    """Rotate (nearest neighbour, black outside), crop and flip.

    Args:
        images: uint8 (N, C, height, width).
        augmentation: one set of parameters an image.

    Returns:
        uint8 (N, C, *augmentation.crop), channels-last.

    Raises:
        InputError: the images are not such a tensor, or their count or size does not fit.
    """
    check_images(images)
    check_devices(images=images)
    if len(images) != len(augmentation):
        raise InputError(
            f"images has {len(images)} images, but the augmentation was drawn for "
            f"{len(augmentation)}."
        )
    height, width = images.shape[2:]
    rows, columns = augmentation.crop
    top, left = augmentation.top, augmentation.left
    if len(images) and (
        top.min() < 0 or left.min() < 0 or top.max() + rows > height or left.max() + columns > width
    ):
        raise InputError(
            f"A crop of {rows} x {columns} pixels leaves the images of {height} x {width} pixels."
        )
    source = images.permute(0, 2, 3, 1).contiguous()
    if images.is_cuda:
        table = views(augmentation, np.arange(len(images)), len(images))
        return kernels.augment(source, table, rows, columns).permute(0, 3, 1, 2)
    threads = torch.get_num_threads()
    result = gather(source.numpy(), np.arange(len(images)), augmentation, threads)
    return torch.from_numpy(result).permute(0, 3, 1, 2)


def augment(images: Tensor, config: ImageConfig, *, seed: int) -> Tensor:
    """Random rotation, centre crop, random crop and random vertical flip of every image.

    Args:
        images: uint8 (N, config.channels, *config.size).
        config: what to draw, see :class:`nsa.settings.config.ImageConfig`.
        seed: fixes the result.

    Returns:
        uint8 (N, config.channels, *config.crop), channels-last.

    Raises:
        InputError: the images are not as ``config`` says.
    """
    _check_size(images, config)
    return apply_augmentation(images, draw_augmentation(config, len(images), seed))


def center_crop(images: Tensor, config: ImageConfig) -> Tensor:
    """The crop that evaluation sees: ``config.crop`` from the centre of ``config.size``.

    Args:
        images: uint8 (N, config.channels, *config.size), any device.

    Returns:
        uint8 (N, config.channels, *config.crop), channels-last.

    Raises:
        InputError: the images are not as ``config`` says.
    """
    _check_size(images, config)
    (rows, columns), (height, width) = config.crop, config.size
    top, left = _middle(height, rows), _middle(width, columns)
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
    """What pixels are multiplied by and what is then added, each float32 (channels,)."""
    if channels == 1:
        return torch.tensor([1 / 255]), torch.zeros(1)
    mean, deviation = torch.tensor(_IMAGENET_MEAN), torch.tensor(_IMAGENET_DEVIATION)
    return 1 / (255 * deviation), -(mean / deviation)


def _middle(outer: int, inner: int) -> int:
    """First pixel of a centred window, rounded as torchvision's CenterCrop rounds."""
    return round((outer - inner) / 2)


def _check_size(images: Tensor, config: ImageConfig) -> None:
    check_images(images)
    if tuple(images.shape[1:]) != (config.channels, *config.size):
        raise InputError(
            f"images must be (N, {config.channels}, {config.size[0]}, {config.size[1]}) as the "
            f"configuration says, got {tuple(images.shape)}."
        )
