"""Object masks of augmented images, on the host, without the augmented images.

A plan needs them while the images it is for may exist on a GPU only. Whether a pixel is background
depends on that pixel alone, and rotation, crop and flip only move pixels. So the training images
are compared with the background once, the outcome is moved like the pixels, and the 7x7 median
comes last: bit for bit the masks of the augmented images, from a third of the bytes.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nsa._native import C
from nsa.images.augment import Augmentation
from nsa.images.gather import gather

Pixels = npt.NDArray[np.uint8]


class AugmentedMasks:
    """Object masks of any of the stored images after any augmentation.

    Args:
        images: (N, height, width, channels), 1 or 3 channels.
        background, threshold: as for :func:`nsa.plan.object_masks`.
    """

    def __init__(self, images: Pixels, background: float, threshold: float) -> None:
        channels = images.shape[3]
        brightness = np.arange(255 * channels + 1) / channels
        outside = np.abs(brightness - background) > threshold  # of every sum over channels
        # What a rotation brings in from outside is black, and gathered as 0: that must be the value
        # of black pixels, whether they are background (0) or object (1).
        black = bool(outside[0])
        values = (outside != black).astype(np.uint8)
        self._black = float(black)
        self._moved = np.empty((*images.shape[:3], 1), np.uint8)
        for image, moved in zip(images, self._moved, strict=True):
            total = image[..., 0].astype(np.uint16)
            for channel in range(1, channels):  # many times faster than a sum over so short an axis
                total += image[..., channel]
            np.take(values, total, out=moved[..., 0])

    def __call__(
        self, image: npt.NDArray[np.int64], augmentation: Augmentation, threads: int
    ) -> Pixels:
        """Masks (n, *augmentation.crop), 1 on the object and 0 on the background.

        Args:
            image: (n,) numbers of stored images.
            augmentation: n sets of parameters.
            threads: how many of them the median may use.
        """
        moved = gather(self._moved, image, augmentation)
        masks = np.empty(moved.shape[:3], np.uint8)
        # One-channel images of 0 and 1, whose background is 0, or 1 where black is object.
        C.object_masks_cpu(moved, self._black, 0.5, masks, threads)
        return masks
