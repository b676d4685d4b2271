"""Seamless cloning and object masks with OpenCV."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]


def seamless_clone(
    source: Image, destination: Image, mask: Image, center: tuple[int, int], flags: int
) -> Image:
    """``cv2.seamlessClone`` that also takes grey images and leaves the caller's mask alone.

    Args:
        source, destination: uint8 (h, w, C) and (H, W, C), C in {1, 3}, or without the last axis.
        mask: uint8 (h, w), 0 to 255.
        center: (x, y) in the destination of the centre of the mask's bounding box.
        flags: of OpenCV.
    """
    # OpenCV from 4.11 on overwrites the mask it is given.
    result = cv2.seamlessClone(_colour(source), _colour(destination), mask.copy(), center, flags)
    if destination.ndim == 2:
        return np.asarray(result[:, :, 0], np.uint8)
    return np.asarray(result[:, :, : destination.shape[2]], np.uint8)


def _colour(image: Image) -> Image:
    """Three channels; OpenCV treats them one by one, so a grey image is three times itself."""
    planes = image[:, :, None] if image.ndim == 2 else image
    return np.ascontiguousarray(np.broadcast_to(planes, (*planes.shape[:2], 3)))


def object_mask(image: Image, background: float, threshold: float) -> Image:
    """Where the brightness differs from the background's: 0 or 1, (H, W).

    eq. 8 prints ``<``, which would be the background. The median closes pinholes.
    """
    brightness = image.mean(axis=2) if image.ndim == 3 else image.astype(np.float64)
    mask = (np.abs(brightness - background) > threshold).astype(np.uint8)
    return np.asarray(cv2.medianBlur(mask, 7), np.uint8)
