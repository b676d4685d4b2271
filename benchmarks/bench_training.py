"""A training step with the synthesis in it, beside the network alone: the share it costs."""

import pytest
import torch
from common import product_images

from nsa.settings.config import TrainConfig
from nsa.settings.presets import preset
from nsa.system.device import choose_precision, keep_freed_memory
from nsa.training import Trainer

BATCH = 64


@pytest.fixture(scope="module")
def trainer():
    keep_freed_memory()  # as the commands do
    bottle = preset("bottle")
    images = torch.from_numpy(product_images(BATCH)).permute(0, 3, 1, 2)
    device = torch.device("cpu")
    return Trainer(
        images, bottle.synthesis, bottle.images, TrainConfig(batch_size=BATCH),
        device=device, precision=choose_precision("auto", device),
    )  # fmt: skip


@pytest.mark.threads(0)
@pytest.mark.parametrize("peer", ["nsa", "network alone"])
def test_training_step(benchmark, trainer, peer):
    """Crop, rotation, synthesis, labels, forward, backward, Adam; or the last three only."""
    benchmark.group = f"training step, logistic, 224 px RGB, {trainer.precision}"
    benchmark.extra_info.update(peer=peer, images=BATCH)
    prepared = trainer.make_batch(0, 0)
    trainer.model.train()

    def step():
        return trainer.train_step(*(trainer.make_batch(0, 0) if peer == "nsa" else prepared))

    loss = benchmark.pedantic(step, rounds=6, warmup_rounds=2)
    assert 0 < loss < 10
