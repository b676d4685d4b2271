"""Rotation, crop and flip on the host: one source pixel per output pixel.

Only the pixels of the final crop are computed and nothing is stored in between. Any number of
threads may gather at once: the kernels hold no lock.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nsa._native.extension import C
from nsa._native.layout import views
from nsa.plan.augmentation import Augmentation

Pixels = npt.NDArray[np.uint8]


def gather(
    store: Pixels, image: npt.NDArray[np.int64], augmentation: Augmentation, threads: int = 1
) -> Pixels:
    """Augmented copies of some of the stored images; black outside.

    Args:
        store: (N, height, width, channels), contiguous, 1 or 3 channels.
        image: (n,) which of them each set of parameters applies to.
        augmentation: n sets of parameters.
        threads: how many share the work.

    Returns:
        (n, *augmentation.crop, channels).

    Raises:
        InputError: there is no such image, or the store is of another shape.
    """
    result = np.empty((len(image), *augmentation.crop, store.shape[3]), dtype=np.uint8)
    C.gather_cpu(store, views(augmentation, image, len(store)).numpy(), result, threads)
    return result
