"""Blend a batch with its plan."""

from __future__ import annotations

from typing import get_args

from torch import Tensor

from nsa._native import operators
from nsa._native.devices import check_devices
from nsa._native.layout import interleaved
from nsa.errors import InputError
from nsa.images.light import with_relit
from nsa.plan.table import Plan
from nsa.settings.methods import BlendMode


def blend(images: Tensor, plan: Plan, mode: BlendMode, *, sources: Tensor | None = None) -> Tensor:
    """Blend every patch of ``plan`` into its image.

    An image's patches are applied in order of their round, each onto the result of the one before,
    and are always cut from ``sources`` as they were.

    Args:
        images: uint8 (N, C, H, W), C 1 or 3; channels-last storage saves a copy. Not changed.
        plan: which patches; its ``image`` column indexes ``images``.
        mode: ``"source"`` and ``"mixed"`` solve the Poisson equation with the gradients of the
            patch or the stronger ones of patch and image (eq. 3 and 4 of the NSA paper), weighted
            by ``ceil(255 factor) / 255``; ``"paste"`` copies pixels (CutPaste); ``"interpolate"``
            is ``floor((1 - factor) image + factor patch)`` (FPI); ``"planned"``: each patch as its
            row of the plan says.
        sources: uint8 (M, C, H', W'), indexed by the plan's ``source`` column; None: ``images``,
            and, if the plan has lights, the same in these.

    Returns:
        uint8 (N, C, H, W), channels-last. On the CPU the bits do not depend on the number of
        threads, ``torch.get_num_threads()``.

    Raises:
        InputError: a wrong dtype, shape or device, or a plan row that leaves the images; nothing
            was written then.
    """
    if mode not in get_args(BlendMode):
        listed = ", ".join(repr(option) for option in get_args(BlendMode))
        raise InputError(f"mode must be one of {listed}, got {mode!r}.")
    pixels = interleaved(images, "images")
    if sources is None or sources is images:
        cut = pixels if plan.lights is None else with_relit(pixels, plan.lights)
    else:
        cut = interleaved(sources, "sources")
    check_devices(images=pixels, sources=cut)
    return operators.blend(pixels, cut, *plan.tensors(), mode).permute(0, 3, 1, 2)
