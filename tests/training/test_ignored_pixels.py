"""Pixels that do not count in a training: no anomaly, no label, no loss, and no trace of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from test_crops import IMAGES as CROPS
from test_device_steps import HostedSteps, gpu  # noqa: F401
from test_loop import IMAGES, pictures, same_weights, steps
from tiny import write
from torch import Tensor

from nsa.images.full_size import FullSizeImages
from nsa.images.ignored import GREY, Ignored, paint
from nsa.settings.config import SynthesisConfig, TrainConfig
from nsa.training import Trainer
from nsa.training.distributed import ALONE, Ranks
from nsa.training.profile import NO_CLOCK
from nsa.training.share import share_of

KINDS: list[Any] = ["one", "each"]


def ignored_of(kind: str, count: int = 10) -> Tensor:
    """A box of all images, or a box of its own of each."""
    masks = torch.zeros((1 if kind == "one" else count, 72, 72), dtype=torch.bool)
    for row, mask in enumerate(masks):
        mask[20 + row : 50, 5 : 40 - 2 * row] = True
    return masks


def trainer(
    ignored: Tensor, images: Tensor | None = None, ranks: Ranks = ALONE, **changes: Any
) -> Trainer:
    images = pictures() if images is None else images
    synthesis = {key: changes.pop(key) for key in ("label", "background") if key in changes}
    return Trainer(
        paint(images, ignored), SynthesisConfig(**synthesis), IMAGES,
        TrainConfig(**{"epochs": 1, "batch_size": 4, **changes}), device=torch.device("cpu"),
        precision="fp32", ranks=ranks, ignored=ignored,
    )  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("background", [None, 120.0])
def test_nothing_is_blended_or_labelled_there(kind: str, background: float | None) -> None:
    run, hidden, labelled = trainer(ignored_of(kind), background=background), 0, 0
    for step in range(run.steps_per_epoch):
        drawn = run.draw(0, step)
        assert drawn.ignored is not None
        images, labels = run.make_batch(0, step)
        ignored = torch.from_numpy(drawn.ignored)
        # The mask went the way of its image, turned, cropped and flipped.
        assert (images.permute(1, 0, 2, 3)[:, ignored] == GREY).all()
        assert (labels[:, 0][ignored] == 0).all()
        labelled += int((labels > 0).sum())
        hidden += int(ignored.sum())
    assert 0.1 < hidden / (10 * 64 * 64) < 0.35
    assert labelled


@pytest.mark.parametrize("label", ["logistic", "continuous"])
def test_nothing_is_learnt_there(label: str) -> None:
    """The loss, and all that follows from it, is the same whatever the network says there."""
    run = trainer(ignored_of("one"), label=label, epochs=1)
    drawn = run.draw(0, 0)
    images, labels = run.make_batch(0, 0)
    ignored = torch.from_numpy(drawn.ignored)
    seen: list[Tensor] = []

    def watch(_module: object, _inputs: object, logits: Tensor) -> None:
        logits.retain_grad()
        seen.append(logits)

    run.model.train()
    run.model.register_forward_hook(watch)
    loss = run.updater(images, labels, NO_CLOCK, ignored)
    [logits] = seen
    gradient = logits.grad
    assert gradient is not None
    assert (gradient[:, 0][ignored] == 0).all()
    assert (gradient[:, 0][~ignored] != 0).any()
    own = torch.nn.functional.relu(logits) if label == "continuous" else logits
    each = (
        (own - labels).square()
        if label == "continuous"
        else torch.nn.functional.binary_cross_entropy_with_logits(own, labels, reduction="none")
    )
    expected = each[:, 0][~ignored].sum() / ignored.numel()
    torch.testing.assert_close(loss, expected.detach())


@pytest.mark.parametrize("kind", KINDS)
def test_no_weight_depends_on_what_is_there(kind: str, fresh_seed: int) -> None:
    random = np.random.default_rng(fresh_seed)
    ignored, images = ignored_of(kind), pictures()
    noise = torch.from_numpy(random.integers(0, 256, images.shape, dtype=np.uint8))
    other = torch.where(ignored[:, None], noise, images)
    assert not torch.equal(other, images)
    runs = [trainer(ignored, each, background=120.0) for each in (images, other)]
    for run in runs:
        run.run(steps(10**9))
    assert runs[0].position.losses == runs[1].position.losses
    assert same_weights(*runs)


class Second(Ranks):
    """The second of two processes."""

    def share(self, total: int) -> range:
        return share_of(total, 1, 2)


def test_a_process_has_the_masks_of_its_share() -> None:
    whole, share = trainer(ignored_of("each")), trainer(ignored_of("each"), ranks=Second())
    images, labels = whole.make_batch(0, 0)
    own = share_of(4, 1, 2)
    part = share.draw(0, 0)
    found = share.make_batch(0, 0)
    assert torch.equal(found[0], images[own.start : own.stop])
    assert torch.equal(found[1], labels[own.start : own.stop])
    drawn = whole.draw(0, 0)
    assert drawn.ignored is not None
    assert part.ignored is not None
    np.testing.assert_array_equal(part.ignored[: part.own], drawn.ignored[own.start : own.stop])


@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize("limit", [0, 10**9])  # streaming, resident
def test_a_gpu_is_brought_the_masks(limit: int) -> None:
    expected, run = (trainer(ignored_of("each"), epochs=4) for _ in range(2))
    expected.run(steps(10**9))
    made = run._steps()
    assert made is not None
    run._steps = lambda: HostedSteps(  # type: ignore[method-assign]
        run.images, run.synthesis.config, run.image_config, run.updater, batch_size=4,
        device=run.device, captured=True, resident_limit=limit, ignores=True,
    )  # fmt: skip
    run.run(steps(10**9))
    assert HostedSteps.replays
    assert run.position.losses == expected.position.losses
    assert same_weights(run, expected)


@pytest.mark.parametrize("memory", [0, 10**9])
def test_crops_of_images_of_their_own_sizes(memory: int, tmp_path: Path, fresh_seed: int) -> None:
    random = np.random.default_rng(fresh_seed)
    runs = []
    for name in ("one", "other"):
        files = []
        for index in range(5):
            image = np.full((80 + 5 * index, 100 - 2 * index, 3), 220, np.uint8)
            image[10:70, 10:70] = np.random.default_rng(index).integers(30, 90, (60, 60, 3))
            mask = np.zeros(image.shape[:2], np.uint8)
            mask[20:50, 10:60] = 255
            if name == "other":
                image[20:50, 10:60] = random.integers(0, 256, (30, 50, 3))
            files.append(tmp_path / name / f"{index}.png")
            write(files[-1], image)
            write(tmp_path / "masks" / files[-1].name, mask)
        ignored = Ignored.open(tmp_path / "masks")
        images = FullSizeImages(files, CROPS, progress=False, memory=memory, ignored=ignored)
        run = Trainer(
            images, SynthesisConfig(background=220, min_object_share=0.3), CROPS,
            TrainConfig(epochs=1, batch_size=4), device=torch.device("cpu"), precision="fp32",
        )  # fmt: skip
        drawn = run.draw(0, 0)
        batch, labels = run.make_batch(0, 0)
        assert drawn.ignored is not None
        hidden = torch.from_numpy(drawn.ignored)
        assert hidden.any()
        assert (batch.permute(1, 0, 2, 3)[:, hidden] == GREY).all()
        assert (labels[:, 0][hidden] == 0).all()
        run.run(steps(10**9))
        runs.append(run)
    assert runs[0].position.losses == runs[1].position.losses
    assert same_weights(*runs)
