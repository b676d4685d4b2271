"""Every kernel a few times on small inputs, for compute-sanitizer to watch."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "cuda"))

from cuda_cases import pictures, random_plan

import nsa
from nsa.blend import blend
from nsa.config import ImageConfig, SynthesisConfig
from nsa.images.augment import apply_augmentation, draw_augmentation, to_network_input
from nsa.label import label
from nsa.plan import object_masks


def main() -> None:
    random = np.random.default_rng(0)
    for channels in (1, 3):
        pixels = pictures(random, 4, 90, 130, channels)
        images = torch.from_numpy(pixels).permute(0, 3, 1, 2).cuda()
        plan = random_plan(random, 4, (90, 130), (90, 130), rounds=2, masks=True)
        for mode in ("source", "mixed", "paste", "interpolate"):
            blended = blend(images, plan, mode)
        for kind in ("binary", "continuous", "logistic", "factor"):
            label(images, blended, plan, SynthesisConfig(), kind=kind)
        object_masks(images, 120.0, 20.0)
        config = ImageConfig(
            channels=channels, size=(90, 130), rotation=9.0, center_crop=None, crop=(64, 70)
        )
        crops = apply_augmentation(images, draw_augmentation(config, 4, seed=0))
        for dtype in (torch.float32, torch.bfloat16):
            to_network_input(crops, config, dtype)
    large = torch.from_numpy(pictures(random, 1, 262, 270, 1)).permute(0, 3, 1, 2).cuda()
    mask = torch.full((1, 1, 262, 270), 255, dtype=torch.uint8, device="cuda")
    nsa.seamless_clone(large.flip(2).contiguous(), large, mask, torch.tensor([[135, 131]]))
    torch.cuda.synchronize()
    print("every kernel ran")


if __name__ == "__main__":
    main()
