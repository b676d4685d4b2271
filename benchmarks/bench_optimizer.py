"""What moves the weights: a step of Adam and one of Muon, and of the training with either."""

import pytest
import torch
from common import product_images

from nsa.settings.config import OPTIMIZERS, ImageConfig, SynthesisConfig, TrainConfig
from nsa.system.device import choose_precision, keep_freed_memory
from nsa.training import Trainer

BATCH, SIDE = 16, 224


@pytest.mark.parametrize("part", ["the optimiser", "the whole step"])
@pytest.mark.parametrize("peer", OPTIMIZERS)
def test_optimizer(benchmark, peer, part):
    """Of the paper's network, on images of 224 px in batches of 16."""
    keep_freed_memory()  # as the commands do
    device = torch.device("cpu")
    precision = choose_precision("auto", device)
    benchmark.group = f"{part}, {BATCH} images of {SIDE} px, {precision}"
    benchmark.extra_info.update(peer=peer, images=BATCH)
    trainer = Trainer(
        torch.from_numpy(product_images(BATCH, SIDE)).permute(0, 3, 1, 2), SynthesisConfig(),
        ImageConfig(size=(SIDE, SIDE), crop=(SIDE, SIDE), center_crop=None),
        TrainConfig(batch_size=BATCH, optimizer=peer), device=device, precision=precision,
    )  # fmt: skip
    batch = trainer.make_batch(0, 0)
    trainer.model.train()
    trainer.train_step(*batch)  # and leaves gradients
    step = trainer.optimizer.step if part == "the optimiser" else lambda: trainer.train_step(*batch)
    benchmark.pedantic(step, rounds=12, warmup_rounds=2)
