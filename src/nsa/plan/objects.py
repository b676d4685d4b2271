"""Object masks: which pixels are not plain background (Appendix A of the paper)."""

from __future__ import annotations

import math

from torch import Tensor

from nsa._native import operators
from nsa._native.devices import check_devices
from nsa._native.layout import interleaved
from nsa.errors import InputError


def object_masks(images: Tensor, background: float, threshold: float) -> Tensor:
    """Pixels whose brightness differs from the background's.

    A pixel belongs to the object where ``|mean over channels - background| > threshold`` (eq. 8
    prints ``<``, which is the background), after a 7x7 median with replicated border.

    Args:
        images: uint8 (N, C, H, W), C 1 or 3. Channels-last costs no copy.
        background: brightness of the background, in grey levels.
        threshold: largest distance from it that still is background, in grey levels.

    Returns:
        uint8 (N, 1, H, W), 1 on the object and 0 on the background.

    Raises:
        InputError: an argument has the wrong type, shape or device, or is not finite.
    """
    pixels = interleaved(images, "images")
    check_devices(images=images)
    if not (math.isfinite(background) and math.isfinite(threshold)):
        raise InputError(
            f"background and threshold must be finite, got {background} and {threshold}."
        )
    return operators.object_masks(pixels, float(background), float(threshold)).unsqueeze(1)
