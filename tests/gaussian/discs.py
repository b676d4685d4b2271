"""Small drawn images for the tests of the Gaussian detector."""

from __future__ import annotations

import torch
from torch import Tensor


def draw_images(count: int, *, seed: int, defect: bool = False, size: int = 64) -> Tensor:
    """uint8 (count, 3, size, size): a bright disc on dark, with a dark bar as the defect."""
    generator = torch.Generator().manual_seed(seed)
    axis = torch.arange(size, dtype=torch.float32) - size / 2
    radius = size * (0.3 + 0.04 * torch.rand(count, 1, 1, generator=generator))
    disc = ((axis[:, None].square() + axis.square()).sqrt() < radius).float()
    tint = 150 + 20 * torch.rand(count, 3, 1, 1, generator=generator)
    images = 30 + disc[:, None] * tint + 4 * torch.randn(count, 3, size, size, generator=generator)
    if defect:
        images[:, :, size // 2 : size // 2 + 6, size // 4 : -size // 4] = 60
    return images.clamp(0, 255).to(torch.uint8).contiguous(memory_format=torch.channels_last)
