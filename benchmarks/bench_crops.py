"""Training on crops of large images: the cost of a step, whatever the size of the images."""

import cv2
import numpy as np
import pytest
import torch
from common import texture_images

from nsa.images.full_size import FullSizeImages
from nsa.settings.config import ImageConfig, SynthesisConfig, TrainConfig
from nsa.system.device import choose_precision, keep_freed_memory
from nsa.training import Trainer

BATCH, CROP, COUNT = 16, 256, 8


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    """Photographs by side, as JPEG."""
    keep_freed_memory()  # as the commands do
    folder, found = tmp_path_factory.mktemp("photographs"), {}
    for side in (256, 1024, 4096):
        found[side] = [folder / f"{side}-{index}.jpg" for index in range(COUNT)]
        for path, image in zip(found[side], texture_images(COUNT, 256), strict=True):
            large = np.tile(image, (side // 256, side // 256, 1))
            path.write_bytes(cv2.imencode(".jpg", large, [cv2.IMWRITE_JPEG_QUALITY, 90])[1])
    return found


@pytest.mark.threads(0)
@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("side", [256, 1024, 4096])
def test_step_on_crops(benchmark, paths, side, kept):
    """Crops, synthesis, labels, forward, backward, Adam; every image is used twice in a step."""
    config = ImageConfig(size=(side, side), resize="none", center_crop=None, crop=(CROP, CROP))
    images = FullSizeImages(paths[side], config, progress=False, memory=None if kept else 0)
    training = TrainConfig(batch_size=BATCH, crops_per_image=2)
    trainer = Trainer(
        images, SynthesisConfig(), config, training,
        device=torch.device("cpu"), precision=choose_precision("auto", torch.device("cpu")),
    )  # fmt: skip
    where = "in memory" if kept else "decoded again"
    benchmark.group = f"training step, crops of {CROP} px, images {where}"
    benchmark.extra_info.update(peer=f"nsa, {side} px", images=BATCH)
    trainer.model.train()
    loss = benchmark.pedantic(
        lambda: trainer.train_step(*trainer.make_batch(0, 0)), rounds=5, warmup_rounds=1
    )
    assert 0 < loss < 10
