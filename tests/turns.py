"""Random rotations and crops that reach every branch of the gathering kernels."""

from __future__ import annotations

import numpy as np

from nsa.plan.augmentation import Augmentation

# No turn, turns of a fraction of a pixel, around where the kernel stops walking runs, and large.
ANGLES = (0.0, 1e-6, -0.01, 0.3, 5.0, -5.0, 14.3, 14.4, -14.5, 29, 45, 90, -90, 135, 180, -180)


def random_turns(random: np.random.Generator, size: tuple[int, int], count: int) -> Augmentation:
    """Crops of any size up to the image's, often at its borders."""
    rows, columns = (int(random.integers(1, side + 1)) for side in size)
    if random.random() < 0.3:
        rows, columns = size
    places = [
        random.choice([0, side, random.integers(0, side + 1)], count)
        for side in (size[0] - rows, size[1] - columns)
    ]
    angle = np.where(
        random.random(count) < 0.5, random.choice(ANGLES, count), random.uniform(-20, 20, count)
    )
    return Augmentation(
        angle.astype(np.float32),
        places[0].astype(np.int32),
        places[1].astype(np.int32),
        random.integers(0, 2, count).astype(np.uint8),
        (rows, columns),
    )
