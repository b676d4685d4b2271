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
    return relit(interleaved(images, "images"), lights).permute(0, 3, 1, 2)


# The CPU's relighting is no operator of torch, which would warn of it.
@torch.compiler.disable  # type: ignore[untyped-decorator]
def with_relit(images: Tensor, lights: Lights) -> Tensor:
    """What the patches of a plan with :attr:`nsa.plan.Plan.lights` are cut from.

    Args:
        images: uint8 (N, H, W, C), contiguous.
        lights: of N images; channels that the images lack are left out.

    Returns:
        uint8 (2 N, H, W, C): the images, and the same in these lights.

    Raises:
        InputError: ``lights`` is of another number.
    """
    return torch.cat([images, relit(images, lights.in_channels(images.shape[3]))])


def relit(pixels: Tensor, lights: Lights) -> Tensor:
    """:func:`relight` of uint8 (N, H, W, C), contiguous."""
    if len(lights) != len(pixels) or lights.gain.shape[1] != pixels.shape[3]:
        raise InputError(
            f"lights must be of {len(pixels)} images of {pixels.shape[3]} channels, got "
            f"{len(lights)} of {lights.gain.shape[1]}."
        )
    table = lights_table(lights)
    if pixels.is_cuda:
        return kernels.relight(pixels, table)
    out = torch.empty_like(pixels)
    C.relight_cpu(on_host("images", pixels), table.numpy(), out.numpy(), torch.get_num_threads())
    return out
