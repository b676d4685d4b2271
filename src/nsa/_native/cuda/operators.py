"""The CUDA implementations of the operators that :mod:`nsa._native.operators` declares.

Plans stay on the host until here, where they are checked, so that a bad row is an error with its
number and not a wild write; tensors on the GPU are what selects these implementations.
"""

from __future__ import annotations

import torch
from torch import Tensor

from nsa._native.cuda import kernels
from nsa._native.cuda.plan import DevicePlan
from nsa._native.extension import C
from nsa._native.host import brightness, on_host
from nsa.errors import InputError

_GREY_UNIT = 1 / 255  # the weight of a gradient per unit of a mask of 0 to 255


def blend(
    images: Tensor, sources: Tensor, rows: Tensor, factors: Tensor, masks: Tensor, mode: str
) -> Tensor:
    images, sources = _pixels(images=images, sources=sources)
    plan = DevicePlan.of(
        *_table(rows, factors, masks),
        images=kernels.shape_of(images),
        sources=kernels.shape_of(sources),
        mode=mode,
        device=images.device,
    )
    return kernels.blend(images, sources, plan, mode)


def seamless_clone(
    sources: Tensor, destinations: Tensor, masks: Tensor, centers: Tensor, flags: int
) -> Tensor:
    """The boxes around the masks are found on the host, so masks on the GPU are waited for."""
    sources, destinations = _pixels(sources=sources, destinations=destinations)
    rows, packed = C.clone_plan(
        kernels.shape_of(sources),
        kernels.shape_of(destinations),
        on_host("masks", masks.cpu()),
        on_host("centers", centers.cpu(), torch.int64),
        flags,
    )
    mixed, monochrome = C.clone_gradients(flags)
    if monochrome and sources.shape[3] == 3:
        sources = brightness(sources.int()).to(torch.uint8)[..., None]
    if sources.shape[3] != destinations.shape[3]:
        sources = sources.expand(*sources.shape[:3], destinations.shape[3]).contiguous()
    mode = "mixed" if mixed else "source"
    plan = DevicePlan.of(
        torch.from_numpy(rows),
        torch.ones(len(rows), dtype=torch.float32, device="cpu"),
        torch.from_numpy(packed),
        images=kernels.shape_of(destinations),
        sources=kernels.shape_of(sources),
        mode=mode,
        device=destinations.device,
    )
    return kernels.blend(destinations, sources, plan, mode, grey_unit=_GREY_UNIT)


def label(
    original: Tensor,
    blended: Tensor,
    rows: Tensor,
    factors: Tensor,
    masks: Tensor,
    kind: str,
    variant: str,
    midpoint: float,
    steepness: float,
) -> Tensor:
    original, blended = _pixels(original=original, blended=blended)
    if original.shape != blended.shape:
        raise InputError("blended must have the shape of original.")
    shape = kernels.shape_of(original)
    plan = DevicePlan.of(
        *_table(rows, factors, masks),
        images=shape,
        sources=shape,
        mode=None,
        device=original.device,
    )
    return kernels.label(original, blended, plan, kind, variant, midpoint, steepness)


def object_masks(images: Tensor, background: float, threshold: float) -> Tensor:
    (images,) = _pixels(images=images)
    return kernels.object_masks(images, background, threshold)


def _pixels(**images: Tensor) -> list[Tensor]:
    """Contiguous uint8 images (count, height, width, channels) of one device.

    The tensors' other arguments are checked where they are read, on the host.
    """
    where = {image.device for image in images.values()}
    if len(where) > 1:
        raise InputError(f"{' and '.join(images)} are on several devices; move them to one.")
    for name, image in images.items():
        if image.dtype != torch.uint8 or image.ndim != 4:
            raise InputError(
                f"{name} must be uint8 (count, height, width, channels), got {image.dtype} "
                f"{tuple(image.shape)}."
            )
    return [image.contiguous() for image in images.values()]


def _table(rows: Tensor, factors: Tensor, masks: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """A plan with rows and factors on the host, and masks on either."""
    rows, factors = rows.cpu(), factors.cpu()
    on_host("rows", rows, torch.int32)
    on_host("factors", factors, torch.float32)
    if not masks.is_cuda:
        on_host("masks", masks)
    elif masks.dtype != torch.uint8 or masks.ndim != 1:
        raise InputError(f"masks must be uint8 (bytes,), got {masks.dtype} {tuple(masks.shape)}.")
    return rows.contiguous(), factors.contiguous(), masks.contiguous()
