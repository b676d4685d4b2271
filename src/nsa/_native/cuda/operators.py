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

_GREY_UNIT = 1 / 255  # the weight of a gradient per unit of a mask of 0 to 255


def blend(
    images: Tensor, sources: Tensor, rows: Tensor, factors: Tensor, masks: Tensor, mode: str
) -> Tensor:
    images, sources = images.contiguous(), sources.contiguous()
    plan = DevicePlan.of(
        rows.cpu(),
        factors.cpu(),
        masks,
        images=kernels.shape_of(images),
        sources=kernels.shape_of(sources),
        mode=mode,
        device=images.device,
    )
    return kernels.blend(images, sources, plan, mode)


def seamless_clone(
    sources: Tensor, destinations: Tensor, masks: Tensor, centers: Tensor, mixed: bool
) -> Tensor:
    """The boxes around the masks are found on the host, so masks on the GPU are waited for."""
    sources, destinations = sources.contiguous(), destinations.contiguous()
    shapes = kernels.shape_of(sources), kernels.shape_of(destinations)
    rows, packed = C.clone_plan(
        *shapes, masks.cpu().contiguous().numpy(), centers.cpu().contiguous().numpy()
    )
    mode = "mixed" if mixed else "source"
    plan = DevicePlan.of(
        torch.from_numpy(rows),
        torch.ones(len(rows), dtype=torch.float32, device="cpu"),
        torch.from_numpy(packed),
        images=shapes[1],
        sources=shapes[0],
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
    original, blended = original.contiguous(), blended.contiguous()
    shape = kernels.shape_of(original)
    plan = DevicePlan.of(
        rows.cpu(),
        factors.cpu(),
        masks.contiguous(),
        images=shape,
        sources=shape,
        mode=None,
        device=original.device,
    )
    return kernels.label(original, blended, plan, kind, variant, midpoint, steepness)


def object_masks(images: Tensor, background: float, threshold: float) -> Tensor:
    return kernels.object_masks(images.contiguous(), background, threshold)
