"""The same pipeline in NumPy, OpenCV and scikit-image: slow, readable, and the truth in tests.

Images are uint8 (N, H, W, C) arrays here, labels float32 (N, H, W).
"""

from __future__ import annotations

import numpy as np

from nsa.reference.clone import object_mask, seamless_clone
from nsa.reference.light import Images, relight
from nsa.reference.pixels import Labels, blend, difference_label, label, patch_masks
from nsa.reference.sampling import draw_plan
from nsa.settings.config import SynthesisConfig

__all__ = [
    "synthesize",
    "draw_plan",
    "blend",
    "label",
    "difference_label",
    "patch_masks",
    "relight",
    "object_mask",
    "seamless_clone",
]


def synthesize(images: Images, config: SynthesisConfig, seed: int) -> tuple[Images, Labels]:
    """Make synthetic anomalies: images (N, H, W, C) to changed images and their labels."""
    masks = None
    background = config.mask_background
    if background is not None:
        masks = np.stack(
            [object_mask(image, background, config.background_threshold) for image in images]
        )
    plan = draw_plan(config, *images.shape[:3], seed=seed, object_masks=masks)
    blended = blend(images, plan, config.blend_mode)
    return blended, label(images, blended, plan, config)
