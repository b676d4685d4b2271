"""Images in another light: blur, brightness, contrast, white balance and noise of a camera."""

from __future__ import annotations

import torch
from torch import Tensor

from nsa._native.cuda import kernels
from nsa._native.extension import C
from nsa._native.host import on_host
from nsa._native.layout import interleaved, lights_table
from nsa.errors import InputError
from nsa.plan.light import Lights


def relight(images: Tensor, lights: Lights) -> Tensor:
    """The images in the light of each.

    Args:
        images: uint8 (N, C, H, W), C 1 or 3, on the CPU or a GPU; left unchanged.
        lights: of N images.

    Returns:
        uint8 (N, C, H, W), channels-last. Grey levels are blurred over 5 x 5 pixels, beyond the
        borders the last ones go on; then multiplied, shifted and noise is added; last they are
        rounded half up and clipped to 0 and 255.

    Raises:
        InputError: ``images`` is of another kind, or ``lights`` of another number.
    """
    pixels = interleaved(images, "images")
    if len(lights) != len(images) or lights.gain.shape[1] != images.shape[1]:
        raise InputError(
            f"lights must be of {len(images)} images of {images.shape[1]} channels, got "
            f"{len(lights)} of {lights.gain.shape[1]}."
        )
    table = lights_table(lights)
    if images.is_cuda:
        return kernels.relight(pixels, table).permute(0, 3, 1, 2)
    out = torch.empty_like(pixels)
    C.relight_cpu(on_host("images", pixels), table.numpy(), out.numpy(), torch.get_num_threads())
    return out.permute(0, 3, 1, 2)
