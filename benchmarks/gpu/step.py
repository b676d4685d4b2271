"""Training steps of the paper, 224 px and batch 64: whole, without synthesis, and part by part."""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from device import (
    DEVICE,
    bottle_images,
    captured,
    products,
    settled,
    sized,
    summary,
    time_calls,
    write,
)  # fmt: skip

from nsa.settings.config import TrainConfig
from nsa.settings.presets import preset
from nsa.system.device import choose_precision
from nsa.training import Trainer
from nsa.training.device_steps import WARM_UP
from nsa.training.profile import NO_CLOCK, Profile

BATCH = sized(64, 2)
IMAGES = sized(10, 3) * BATCH
EPOCHS = sized(50, 3)


def make_trainer(epochs: int = 1, resident_limit: int | None = None) -> Trainer:
    bottle = preset("bottle")
    return Trainer(
        products(IMAGES),
        bottle.synthesis, bottle_images(), TrainConfig(epochs=epochs, batch_size=BATCH),
        device=DEVICE, precision=choose_precision("auto", DEVICE), resident_limit=resident_limit,
    )  # fmt: skip


def captured_step(trainer: Trainer) -> Callable[[], Any]:
    """Replays a step from a batch that is there already."""
    torch.backends.cudnn.benchmark = True  # as in a training
    trainer.model.train()
    batch, labels = trainer.make_batch(0, 0)
    return captured(
        lambda: trainer.updater(batch, labels, NO_CLOCK),
        before_capture=lambda: trainer.optimizer.zero_grad(set_to_none=True),
    )


def run(resident_limit: int | None = None) -> dict[str, Any]:
    """Images per second of a run, once graphs are captured, and what its steps waited for."""
    trainer = make_trainer(EPOCHS, resident_limit)
    readings: list[tuple[float, float, int]] = []

    def after_step(_loss: float, count: int) -> bool:
        readings.append((time.perf_counter(), trainer.position.plan_wait, count))
        return True

    start = time.perf_counter()
    trainer.run(after_step)
    first = settled([count for _, _, count in readings], (WARM_UP + 1) * BATCH)
    (began, waited, _), (ended, waited_at_end, _) = readings[first], readings[-1]
    rates = [
        (at - before) / count
        for (before, _, _), (at, _, count) in itertools.pairwise(readings[first:])
    ]
    used, reserved = trainer.peak_memory() or (0.0, 0.0)
    return {
        "images_per_second": sum(count for _, _, count in readings[first + 1 :]) / (ended - began),
        "seconds_per_image": summary(rates),
        "plan_wait_share": (waited_at_end - waited) / (ended - began),
        "seconds_to_first_reading": readings[0][0] - start,
        "peak_gib": used,
        "reserved_gib": reserved,
    }


def network_alone() -> dict[str, float]:
    """Seconds of a captured step from a batch that is there already."""
    return time_calls([captured_step(make_trainer())], 100)


def profiled() -> Profile:
    """Some steps of a run, measured kernel by kernel."""
    trainer = make_trainer(2)
    profile = Profile(trainer.device, sized(20, 6))
    trainer.run(lambda _loss, _count: True, profile)
    return profile


def main(folder: str) -> None:
    figures: dict[str, Any] = {"batch": BATCH}
    for name, measure in (
        ("whole", run),
        ("network_alone", network_alone),
        ("parts", lambda: profiled().milliseconds()),
        ("streaming", lambda: run(resident_limit=0)),
    ):
        figures[name] = measure()
        write(folder, "step", figures)
        print(f"{name}: measured", flush=True)
    rate = figures["whole"]["images_per_second"]
    print(f"batch {BATCH}: {rate:,.0f} images/s with synthesis")


if __name__ == "__main__":
    main(sys.argv[1])
