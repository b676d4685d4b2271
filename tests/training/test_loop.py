"""The training loop and its checkpoints, on tiny images."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest
import torch

from nsa.errors import InputError
from nsa.settings.config import ImageConfig, SynthesisConfig, TrainConfig
from nsa.settings.fields import replace
from nsa.training import Trainer, load_checkpoint, save_checkpoint, saved_position
from nsa.training.distributed import ALONE, Ranks

IMAGES = ImageConfig(
    size=(72, 72), center_crop=(68, 68), crop=(64, 64), rotation=5, vertical_flip=True
)
LIGHT = {"brightness": 0.3, "contrast": 0.2, "white_balance": 0.2, "blur": 0.6, "noise": 4.0}


def pictures(count: int = 10, channels: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(count, channels, 9, 9, generator=generator) * 255
    smooth = torch.nn.functional.interpolate(coarse, (72, 72), mode="bilinear")
    return smooth.to(torch.uint8).contiguous(memory_format=torch.channels_last)


def trainer(
    images: torch.Tensor | None = None,
    label: Any = "logistic",
    ranks: Ranks = ALONE,
    relit: bool = False,
    mixture: dict[str, float] | None = None,
    **changes: Any,
) -> Trainer:
    settings = {"epochs": 2, "batch_size": 4, "seed": 0, **changes}
    images = pictures() if images is None else images
    return Trainer(
        images,
        SynthesisConfig(label=label, mixture=mixture or {}),
        replace(IMAGES, channels=images.shape[1], **(LIGHT if relit else {})),
        TrainConfig(**settings),
        device=torch.device("cpu"),
        precision="fp32",
        ranks=ranks,
    )


def test_a_run_may_end_in_the_middle_of_an_epoch(tmp_path: Path) -> None:
    stopped, ended = trainer(epochs=3), trainer(epochs=1, extra_steps=2, former_epochs=((2, 3),))
    stopped.run(steps(stopped.steps_per_epoch + 2))
    assert not stopped.finished
    ended.run(lambda *_: True)
    assert ended.finished
    assert (ended.position.epoch, ended.position.step) == (1, 2)
    assert ended.position.losses == stopped.position.losses
    for one, two in zip(stopped.model.parameters(), ended.model.parameters(), strict=True):
        assert torch.equal(one, two)
    save_checkpoint(tmp_path / "c", stopped)
    assert saved_position(tmp_path / "c") == stopped.position
    load_checkpoint(tmp_path / "c", ended)
    assert ended.finished


def steps(count: int) -> Callable[[float, int], bool]:
    """Stop after that many steps."""
    left = count

    def after_step(_loss: float, _images: int) -> bool:
        nonlocal left
        left -= 1
        return left > 0

    return after_step


def same_weights(one: Trainer, other: Trainer) -> bool:
    pairs = zip(one.model.state_dict().values(), other.model.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("label", ["binary", "logistic", "continuous"])
def test_a_batch_is_learned(label: str) -> None:
    run = trainer(label=label, batch_size=10)
    run.model.train()
    batch, labels = run.make_batch(0, 0)
    assert batch.shape == (10, 3, 64, 64)
    assert batch.dtype == torch.uint8
    assert labels.shape == (10, 1, 64, 64)
    assert labels.max() > 0
    losses = [run.train_step(batch, labels) for _ in range(8)]
    assert losses[-1] < 0.8 * losses[0]


def test_a_run_ends_with_a_mean_loss_per_epoch() -> None:
    seen: list[float] = []

    def after_step(loss: float, _count: int) -> bool:
        seen.append(loss)
        return True

    run = trainer()
    run.run(after_step)
    assert run.finished
    means = [(4 * a + 3 * b + 3 * c) / 10 for a, b, c in (seen[:3], seen[3:])]
    assert run.position.losses == pytest.approx(means)


def test_grey_images_train() -> None:
    run = trainer(pictures(channels=1))
    run.run(steps(2))
    assert run.model.channels == 1
    assert run.position.loss_sum > 0


def test_the_seed_decides_everything() -> None:
    one, two, other = trainer(), trainer(), trainer(seed=1)
    torch.manual_seed(123)  # the global generator has no say
    for run in (one, two, other):
        run.run(steps(4))
    assert same_weights(one, two)
    assert one.position.losses == two.position.losses
    assert not same_weights(one, other)


def test_the_global_generator_is_left_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    trainer().run(steps(1))
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize(
    ("stop", "optimizer"),
    [(2, "adam"), (3, "adam"), (4, "adam"), (4, "muon")],  # in an epoch, at its end, in the next
)
def test_resumed_equals_uninterrupted(tmp_path: Path, stop: int, optimizer: str) -> None:
    whole = trainer(optimizer=optimizer)
    whole.run(steps(10**9))
    first = trainer(optimizer=optimizer)
    first.run(steps(stop))
    save_checkpoint(tmp_path / "state", first)
    second = trainer(optimizer=optimizer)
    load_checkpoint(tmp_path / "state", second)
    assert second.position == first.position
    second.run(steps(10**9))
    assert same_weights(whole, second)
    assert whole.position.losses == second.position.losses


@pytest.mark.parametrize("optimizer", ["adam", "muon"])
def test_resuming_keeps_the_memory_layout(
    tmp_path: Path, optimizer: Literal["adam", "muon"]
) -> None:
    training = TrainConfig(epochs=1, batch_size=4, optimizer=optimizer)
    settings = (SynthesisConfig(), IMAGES, training)
    runs = [
        Trainer(pictures(), *settings, device=torch.device("cpu"), precision="bf16")
        for _ in range(2)
    ]
    runs[0].run(steps(1))
    save_checkpoint(tmp_path / "state", runs[0])
    load_checkpoint(tmp_path / "state", runs[1])
    for one, two in zip(runs[0].model.parameters(), runs[1].model.parameters(), strict=True):
        assert one.stride() == two.stride()
        for key, value in runs[0].optimizer.state[one].items():
            assert value.stride() == runs[1].optimizer.state[two][key].stride()


def test_sets_smaller_than_the_batch_train() -> None:
    run = trainer(pictures(3), batch_size=64, epochs=1)
    run.run(steps(10**9))
    assert run.finished


def test_a_training_that_diverges_says_so() -> None:
    run = trainer()
    with torch.no_grad():
        run.model.head.weight.fill_(float("nan"))
    with pytest.raises(InputError, match="The loss became nan in epoch 1; choose a smaller"):
        run.run(steps(1))


def test_one_image_is_not_enough() -> None:
    with pytest.raises(InputError, match="at least two normal images, got 1"):
        trainer(pictures(1))


def test_a_batch_of_one_is_not_enough() -> None:
    with pytest.raises(InputError, match="batch_size must be at least 2"):
        trainer(batch_size=1)


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    path = tmp_path / "state"
    run = trainer()
    run.run(steps(1))
    save_checkpoint(path, run)
    before = path.read_bytes()

    def fail(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    run.run(steps(1))
    monkeypatch.setattr(os, call, fail)
    with pytest.raises(
        InputError, match="No space left on device; the earlier version is untouched"
    ):
        save_checkpoint(path, run)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["state"]


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    path = tmp_path / "state"
    run = trainer()
    save_checkpoint(path, run)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match="state is damaged"):
        load_checkpoint(path, run)


def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "state", trainer())
    with pytest.raises(InputError, match="another network"):
        load_checkpoint(tmp_path / "state", trainer(pictures(channels=1)))


def test_a_changed_training_set_is_noticed(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "state", trainer())
    with pytest.raises(InputError, match="on 10 images, but now there are 9"):
        load_checkpoint(tmp_path / "state", trainer(pictures(9)))


@pytest.mark.parametrize("relit", [False, True])
def test_the_first_batch_is_there_before_and_after(relit: bool) -> None:
    run = trainer(relit=relit, batch_size=10)
    normal, anomalies, labels = run.first_batch()
    batch, same = run.make_batch(0, 0)
    assert torch.equal(anomalies, batch)
    assert torch.equal(labels, same)
    assert torch.equal(normal, trainer(batch_size=10).first_batch()[0])
    assert (normal != anomalies).any()
    assert labels.max() > 0


def test_another_light_changes_images_and_no_labels() -> None:
    plain, relit = trainer(), trainer(relit=True)
    for step in (0, 2):
        images, labels = plain.make_batch(0, step)
        seen, same = relit.make_batch(0, step)
        torch.testing.assert_close(same, labels, rtol=0, atol=0)
        assert seen.shape == images.shape
        # Of each image another, and of each step.
        ratios = seen.float().mean((1, 2, 3)) / images.float().mean((1, 2, 3))
        assert ((ratios - 1).abs() > 0.001).all()
        assert len(set(ratios.tolist())) == len(ratios)
        assert ratios.max() < 1.3 * 1.2
        torch.testing.assert_close(relit.make_batch(0, step)[0], seen, rtol=0, atol=0)


def test_a_stopped_run_goes_on_in_the_same_light(tmp_path: Path) -> None:
    whole, first, second = (trainer(relit=True) for _ in range(3))
    whole.run(lambda *_: True)
    first.run(steps(2))
    save_checkpoint(tmp_path / "c", first)
    load_checkpoint(tmp_path / "c", second)
    second.run(lambda *_: True)
    assert same_weights(whole, second)
