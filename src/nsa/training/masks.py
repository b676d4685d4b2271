"""Object masks of augmented images, on the host, without the augmented images.

A plan needs them while the images it is for may exist on a GPU only. Whether a pixel is background
depends on that pixel alone, and rotation, crop and flip only move pixels. So the training images
are compared with the background once, the outcome, a bit a pixel, is moved like the pixels, and the
7x7 median comes last: bit for bit the masks of the augmented images.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nsa._native.extension import C
from nsa._native.layout import views
from nsa.plan.augmentation import Augmentation

Pixels = npt.NDArray[np.uint8]


class AugmentedMasks:
    """Object masks of any of the stored images after any augmentation.

    Args:
        images: (N, height, width, channels), 1 or 3 channels.
        background, threshold: as for :func:`nsa.plan.object_masks`.
    """

    def __init__(self, images: Pixels, background: float, threshold: float) -> None:
        count, height, width, channels = images.shape
        low, extent = C.background_range(channels, background, threshold)
        outside = np.ones(255 * channels + 1, bool)  # of every sum over channels
        outside[low : low + extent + 1] = False
        # What a rotation brings in from outside is black.
        self._outside = bool(outside[0])
        self._shape = count, height, width
        line = -(-width // 64) * 8  # bytes of a row: whole 64-bit words
        # The kernel may read a word beyond the last image.
        packed = np.zeros(count * height * line + 8, np.uint8)
        self._foreground = packed.view(np.uint64)
        rows = packed[:-8].reshape(count, height, line)
        for image, row in zip(images, rows, strict=True):
            total = image[..., 0].astype(np.uint16)
            for channel in range(1, channels):  # many times faster than a sum over so short an axis
                total += image[..., channel]
            bits = np.packbits(outside[total], axis=1, bitorder="little")
            row[:, : bits.shape[1]] = bits

    def __call__(
        self, image: npt.NDArray[np.int64], augmentation: Augmentation, threads: int
    ) -> Pixels:
        """Masks (n, *augmentation.crop), 1 on the object and 0 on the background.

        Args:
            image: (n,) numbers of stored images.
            augmentation: n sets of parameters.
            threads: how many share the work.

        Raises:
            InputError: there is no such image.
        """
        count, height, width = self._shape
        table = views(augmentation, image, count).numpy()
        masks = np.empty((len(image), *augmentation.crop), np.uint8)
        C.gather_masks_cpu(self._foreground, height, width, self._outside, table, masks, threads)
        return masks
