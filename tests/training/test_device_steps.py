"""The loop of the GPU with its streams and graphs played by the host: same steps, same losses.

What is real: threads that draw and pack, the block of bytes, slots, streaming, when losses are
read. What is played: copies, streams and the capture; kernels are the CPU's, fed from the block.
"""

from __future__ import annotations

import functools
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from device_block import unpack
from test_loop import pictures, same_weights, steps, trainer

from nsa._native.extension import C
from nsa.blend import blend
from nsa.images.gather import gather
from nsa.label import label
from nsa.plan.augmentation import Augmentation
from nsa.training import Trainer, device_steps
from nsa.training.device_steps import WARM_UP, DeviceSteps
from nsa.training.distributed import ALONE, Ranks
from nsa.training.profile import NO_CLOCK, Profile
from nsa.training.share import share_of


class Queue:
    """A stream, an event or a context of the GPU, all of which have nothing to do."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __getattr__(self, _name: str) -> Any:
        return lambda *_args: None

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass


class HostedSteps(DeviceSteps):
    captures = 0
    replays = 0

    def _make(self, slot: Any) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        plan, views = unpack(slot.block, slot.layout, self._synthesis, self._images)
        turns = Augmentation(
            angle=np.rad2deg(np.arctan2(views["sine"], views["cosine"])).astype(np.float32),
            top=views["top"].copy(),
            left=views["left"].copy(),
            flip=views["flip"].astype(np.uint8),
            crop=self._images.crop,
        )
        pixels = gather(slot.store.numpy(), views["image"].copy(), turns)
        images = torch.from_numpy(pixels).permute(0, 3, 1, 2)
        sources, lights = images, slot.layout.patch_lights_of(slot.block)
        if lights is not None:
            lit = torch.from_numpy(relight(torch.from_numpy(pixels), lights).numpy())
            sources = torch.cat([images, lit.permute(0, 3, 1, 2)])
        blended = blend(images, plan, self._synthesis.blend_mode, sources=sources)
        return images, blended, label(images, blended, plan, self._synthesis)

    def _capture(self, slot: Any) -> Any:
        assert slot.eager_runs == WARM_UP
        type(self).captures += 1

        def replay() -> None:
            type(self).replays += 1
            self._work(slot, NO_CLOCK)

        return SimpleNamespace(replay=replay)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("Stream", "Event", "stream", "device", "current_stream"):
        monkeypatch.setattr(torch.cuda, name, Queue)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda _device: None)
    monkeypatch.setattr(torch.Tensor, "record_stream", lambda _self, _stream: None)
    monkeypatch.setattr(
        device_steps, "device_limits", lambda _device: C.DeviceLimits(227 * 1024, 132)
    )
    monkeypatch.setattr(
        device_steps, "_pinned", lambda *shape: torch.empty(shape, dtype=torch.uint8)
    )
    monkeypatch.setattr(device_steps.kernels, "relight", relight)
    HostedSteps.captures = HostedSteps.replays = 0


def relight(images: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
    """The kernel's place is taken by the CPU's, which reads the same table."""
    out = torch.empty_like(images)
    C.relight_cpu(images.numpy(), table.numpy(), out.numpy(), 1)
    return out


@functools.cache
def finished(second: bool = False, **changes: Any) -> Trainer:
    """What the host trains, once for all tests; ``second``: as the second of three processes."""
    run = trainer(ranks=Second() if second else ALONE, **changes)
    run.run(steps(10**9))
    return run


def hosted(limit: int, **changes: Any) -> Trainer:
    run = trainer(**changes)

    def make() -> HostedSteps:
        return HostedSteps(
            run.images, run.synthesis.config, run.image_config, run.updater,
            batch_size=run.training.batch_size, device=run.device,
            captured=run.ranks.count == 1, resident_limit=limit,
        )  # fmt: skip

    run._steps = make  # type: ignore[method-assign]
    return run


@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize("limit", [0, 10**9])  # streaming, resident
def test_steps_equal_those_of_the_host(limit: int) -> None:
    expected, run = finished(epochs=5), hosted(limit, epochs=5)
    seen: list[tuple[float, int]] = []

    def after_step(loss: float, count: int) -> bool:
        seen.append((loss, count))
        return True

    run.run(after_step)
    assert run.position.losses == expected.position.losses
    assert same_weights(run, expected)
    assert sum(count for _, count in seen) == 50
    mean = sum(loss * count for loss, count in seen) / 50
    assert mean == pytest.approx(np.mean(expected.position.losses))
    # Batches of 4 and 3 images: 5 and 10 steps, of which the first three each run kernel by kernel.
    assert (HostedSteps.captures, HostedSteps.replays) == (2, 15 - 2 * WARM_UP)


@pytest.mark.usefixtures("gpu")
def test_losses_are_read_rarely(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DeviceSteps, "read_every", 4)
    run = hosted(10**9, epochs=3)
    groups: list[int] = []

    def after_step(_loss: float, count: int) -> bool:
        groups.append(count)
        position = run.position
        assert 10 * position.epoch + position.image_count == sum(groups)
        return True

    run.run(after_step)
    assert run.finished
    assert len(groups) in range(3, 10)  # 9 steps, by fours, or sooner on a slow machine


@pytest.mark.usefixtures("gpu")
def test_a_stopped_run_continues_where_its_losses_were_read() -> None:
    expected, run = finished(epochs=5), hosted(10**9, epochs=5)
    run.run(lambda _loss, _count: False)
    run.run(steps(10**9))
    assert run.finished
    assert same_weights(run, expected)


@pytest.mark.usefixtures("gpu")
def test_measured_steps_are_not_replayed() -> None:
    run = hosted(10**9, epochs=3)
    run.run(steps(10**9), Profile(torch.device("cpu"), steps=9))
    assert HostedSteps.replays == 0


@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize("limit", [0, 10**9])
@pytest.mark.parametrize("relit", [False, True])
@pytest.mark.parametrize("mixture", [{}, {"altered": 0.5, "cutpaste": 0.3}])
def test_a_batch_equals_that_of_the_host(
    limit: int, relit: bool, mixture: dict[str, float]
) -> None:
    changes: dict[str, Any] = {"relit": relit, "mixture": mixture, "batch_size": 10}
    images, labels = hosted(limit, **changes).make_batch(1, 0)
    expected = trainer(**changes).make_batch(1, 0)
    torch.testing.assert_close(images, expected[0], rtol=0, atol=0)
    torch.testing.assert_close(labels, expected[1], rtol=0, atol=0)


class Second(Ranks):
    """The second of three processes, which exchanges nothing."""

    number, count = 1, 3

    def share(self, total: int) -> range:
        return share_of(total, 1, 3)


@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize("limit", [0, 10**9])
def test_a_share_of_a_batch_is_trained_without_a_graph(limit: int) -> None:
    changes: dict[str, Any] = {"batch_size": 6, "epochs": 4, "relit": True}
    expected = finished(second=True, **changes)
    run = hosted(limit, ranks=Second(), **changes)
    whole = trainer(**changes).make_batch(0, 0)
    own = share_of(len(whole[0]), 1, 3)
    assert len(own) > 0
    for one, other, batch in zip(
        expected.make_batch(0, 0), run.make_batch(0, 0), whole, strict=True
    ):
        torch.testing.assert_close(one, batch[own.start : own.stop], rtol=0, atol=0)
        torch.testing.assert_close(other, batch[own.start : own.stop], rtol=0, atol=0)
    run.run(steps(10**9))
    assert run.position.losses == expected.position.losses
    assert HostedSteps.captures == 0


@pytest.mark.usefixtures("gpu")
def test_grey_images_stream() -> None:
    run = hosted(0, images=pictures(channels=1), epochs=1)
    expected = trainer(pictures(channels=1), epochs=1)
    run.run(steps(10**9))
    expected.run(steps(10**9))
    assert run.position.losses == expected.position.losses


def test_a_step_that_is_not_captured_does_not_warn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before a graph is captured Adam runs as it is, which torch may think a mistake."""
    run = trainer()
    run.train_step(*run.make_batch(0, 0))
    for group in run.optimizer.param_groups:
        group["capturable"] = True  # as on a GPU
    # What torch asks before a step: up to 2.11, and later.
    monkeypatch.setattr(torch.backends.cuda, "is_built", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: False)
    stream = SimpleNamespace(is_capturing=lambda: False)
    there = torch.device("cuda")
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda **_: there)
    monkeypatch.setattr(torch.accelerator, "current_stream", lambda: stream)
    run.optimizer.step()
    # Only an optimiser that torch has not constructed, such as a copy, would warn.
    run.optimizer._warned_capturable_if_run_uncaptured = False  # type: ignore[attr-defined]
    with pytest.warns(UserWarning, match="capturable=True"):
        run.optimizer.step()


@pytest.mark.usefixtures("gpu")
def test_what_is_ready_is_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_steps, "own_cores", lambda: 64)
    resident, streaming = hosted(10**9)._steps(), hosted(0)._steps()
    assert resident.workers == streaming.workers == 8
    assert resident.most_ready == streaming.most_ready == 24
    plan = resident._layout(4).bytes
    step = plan + 4 * pictures()[0].numel()
    for bytes_, images, ready in ((5 * step, 0, 5), (5 * plan, 10**9, 5), (step, 0, 2)):
        monkeypatch.setattr(device_steps, "_READY_BYTES", bytes_)
        assert hosted(images)._steps().most_ready == ready
