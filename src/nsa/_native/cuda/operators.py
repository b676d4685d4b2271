"""The CUDA implementations of the operators that :mod:`nsa._native` declares.

Plans stay on the host until here, where they are checked, so that a bad row is an error with its
number and not a wild write; tensors on the GPU are what selects these implementations.
"""

from __future__ import annotations

from torch import Tensor

from nsa._native.cuda import clone, kernels
from nsa._native.cuda.plan import LABELS_ONLY, DevicePlan
from nsa._native.cuda.support import check_device


def blend(
    images: Tensor, sources: Tensor, rows: Tensor, factors: Tensor, masks: Tensor, mode: int
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
    check_device(destinations.device)
    return clone.seamless_clone(
        sources.contiguous(), destinations.contiguous(), masks, centers, mixed
    )


def label(
    original: Tensor,
    blended: Tensor,
    rows: Tensor,
    factors: Tensor,
    masks: Tensor,
    kind: int,
    overwrite: bool,
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
        mode=LABELS_ONLY,
        device=original.device,
    )
    return kernels.label(original, blended, plan, kind, overwrite, midpoint, steepness)


def object_masks(images: Tensor, background: float, threshold: float) -> Tensor:
    return kernels.object_masks(images.contiguous(), background, threshold)
