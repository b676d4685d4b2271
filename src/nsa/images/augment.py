"""Crops, rotation and flips of Section 4.1, as :mod:`nsa.plan.augmentation` draws them.

Rotation, both crops and the flip compose to one lookup per output pixel, see
:mod:`nsa.images.gather`; on a GPU a kernel does the same.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from nsa._native.cuda import kernels
from nsa._native.devices import check_devices
from nsa._native.layout import check_images, views
from nsa.errors import InputError
from nsa.images.full_size import FullSizeImages
from nsa.images.gather import gather
from nsa.images.network_input import check_size
from nsa.plan.augmentation import Augmentation, draw_augmentation, draw_crops
from nsa.settings.config import ImageConfig


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
    if not (1 <= rows <= height and 1 <= columns <= width) or (
        len(images)
        and (
            min(top.min(), left.min()) < 0
            or top.max() > height - rows
            or left.max() > width - columns
        )
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


def augment(images: Tensor | FullSizeImages, config: ImageConfig, *, seed: int) -> Tensor:
    """Random rotation, centre crop, random crop and random vertical flip of every image.

    Args:
        images: uint8 (N, config.channels, *config.stored_size), or N of their own sizes, of which
            there are only crops.
        config: what to draw, see :class:`nsa.settings.config.ImageConfig`.
        seed: fixes the result.

    Returns:
        uint8 (N, config.channels, *config.crop), channels-last.

    Raises:
        InputError: the images are not as ``config`` says.
    """
    if isinstance(images, FullSizeImages):
        crops = images.crops(np.arange(len(images)), draw_crops(config, images.shapes, seed))
        return torch.from_numpy(crops).permute(0, 3, 1, 2)
    check_size(images, config, config.stored_size)
    return apply_augmentation(images, draw_augmentation(config, len(images), seed))
