"""Training on crops of images of their own sizes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from test_device_steps import HostedSteps, gpu  # noqa: F401
from test_loop import same_weights, steps
from tiny import write

from nsa.images.full_size import FullSizeImages
from nsa.settings.config import ImageConfig, SynthesisConfig, TrainConfig
from nsa.training import Trainer
from nsa.training.distributed import ALONE, Ranks
from nsa.training.schedule import SYNTHESIS, TOGETHER, derive_seed, epoch_batches
from nsa.training.share import share_of

IMAGES = ImageConfig(
    size=(110, 120), resize="none", center_crop=None, crop=(64, 64), vertical_flip=True
)


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    random, folder = np.random.default_rng(5), tmp_path_factory.mktemp("products")
    for index in range(7):
        height, width = random.integers(80, 111), random.integers(80, 121)
        image = np.full((height, width, 3), 220, np.uint8)
        image[10:70, 10:70] = random.integers(30, 90, (60, 60, 3))  # on a plain background
        write(folder / f"{index}.png", image)
    return sorted(folder.iterdir())


def trainer(paths: list[Path], memory: int, ranks: Ranks = ALONE, **changes: Any) -> Trainer:
    images = FullSizeImages(paths, IMAGES, progress=False, memory=memory)
    settings: dict[str, Any] = {"epochs": 3, "batch_size": 4, **changes}
    return Trainer(
        images, SynthesisConfig(background=220, background_threshold=20, min_object_share=0.3),
        IMAGES, TrainConfig(**settings), device=torch.device("cpu"), precision="fp32", ranks=ranks,
    )  # fmt: skip


@pytest.mark.parametrize("crops", [1, 3])
def test_memory_decides_nothing(paths: list[Path], crops: int) -> None:
    runs = [trainer(paths, memory, crops_per_image=crops) for memory in (10**9, 0)]
    for run in runs:
        run.run(steps(10**9))
    assert runs[0].position.losses == runs[1].position.losses
    assert same_weights(*runs)
    assert runs[0].steps_per_epoch == -(-7 * crops // 4)


@pytest.mark.usefixtures("gpu")
def test_a_gpu_is_brought_the_crops(paths: list[Path]) -> None:
    expected, run = trainer(paths, 10**9), trainer(paths, 0)
    expected.run(steps(10**9))
    run._steps = lambda: HostedSteps(  # type: ignore[method-assign]
        run.images, run.synthesis.config, run.image_config, run.updater,
        batch_size=4, device=run.device, captured=True, resident_limit=10**9,
    )  # fmt: skip
    run.run(steps(10**9))
    assert run.position.losses == expected.position.losses


def test_plans_are_drawn_from_the_objects_in_the_crops(paths: list[Path]) -> None:
    run, patches = trainer(paths, 10**9), 0
    for epoch in range(3):
        drawn = run.draw(epoch, 0)
        assert drawn.pixels is not None
        crops = torch.from_numpy(drawn.pixels).permute(0, 3, 1, 2)
        plan = run.synthesis.plan(crops, derive_seed(run.training.seed, SYNTHESIS, epoch, 0))
        np.testing.assert_array_equal(drawn.plan.rows, plan.rows)
        np.testing.assert_array_equal(drawn.plan.masks, plan.masks)
        patches += len(plan.rows)
    assert patches


class Third(Ranks):
    """The second of three processes, alone."""

    count, number = 3, 1

    def share(self, total: int) -> range:
        return share_of(total, 1, 3)


def test_processes_share_a_batch_of_crops(paths: list[Path]) -> None:
    whole, part = trainer(paths, 10**9, batch_size=6), trainer(paths, 0, Third(), batch_size=6)
    every, labels = whole.make_batch(1, 0)
    own = share_of(len(every), 1, 3)
    images, own_labels = part.make_batch(1, 0)
    assert torch.equal(images, every[own.start : own.stop])
    assert torch.equal(own_labels, labels[own.start : own.stop])


@pytest.mark.parametrize("count", [2, 16, 37, 100])
def test_crops_of_an_image_come_close_together(count: int) -> None:
    training = TrainConfig(batch_size=10, crops_per_image=5)
    order = torch.cat(epoch_batches(count, training, 3))
    assert torch.equal(order.bincount(), torch.full((count,), 5))
    assert not torch.equal(order, torch.cat(epoch_batches(count, training, 4)))
    for first in range(0, count, TOGETHER):
        group = order[5 * first : 5 * (first + TOGETHER)]
        assert len(group.unique()) == min(TOGETHER, count - first)
    sizes = [len(batch) for batch in epoch_batches(count, training, 3)]
    assert max(sizes) - min(sizes) <= 1
    assert len(sizes) == -(-5 * count // 10)
