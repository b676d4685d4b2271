"""Training steps of the paper, 224 px and batch 64: whole, without synthesis, and part by part."""

from __future__ import annotations

import functools
import sys
import time
from typing import Any

import numpy as np
import torch
from timing import settled, time_on_gpu, write

from nsa.config import TrainConfig
from nsa.device import choose_precision
from nsa.presets import preset
from nsa.training import Trainer
from nsa.training.device_steps import WARM_UP
from nsa.training.profile import NO_CLOCK, Profile

BATCH = 64
IMAGES = 10 * BATCH
EPOCHS = 50


@functools.cache  # drawing them takes seconds
def products() -> torch.Tensor:
    from common import product_images

    drawn = product_images(BATCH)
    shifted = [np.roll(drawn[i % BATCH], i // BATCH, axis=0) for i in range(IMAGES)]
    return torch.from_numpy(np.stack(shifted)).permute(0, 3, 1, 2)


def make_trainer(epochs: int, resident_limit: int | None = None) -> Trainer:
    bottle = preset("bottle")
    device = torch.device("cuda")
    return Trainer(
        products(),
        bottle.synthesis, bottle.images, TrainConfig(epochs=epochs, batch_size=BATCH),
        device=device, precision=choose_precision("auto", device), resident_limit=resident_limit,
    )  # fmt: skip


def run(resident_limit: int | None = None) -> dict[str, float]:
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
    used, reserved = trainer.peak_memory() or (0.0, 0.0)
    return {
        "images_per_second": sum(count for _, _, count in readings[first + 1 :]) / (ended - began),
        "plan_wait_share": (waited_at_end - waited) / (ended - began),
        "seconds_to_first_reading": readings[0][0] - start,
        "peak_gib": used,
        "reserved_gib": reserved,
    }


def network_alone() -> dict[str, float]:
    """Seconds of a captured step from a batch that is there already."""
    trainer = make_trainer(1)
    trainer.model.train()
    batch, labels = trainer.make_batch(0, 0)
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = True
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            trainer.updater(batch, labels, NO_CLOCK)
        trainer.optimizer.zero_grad(set_to_none=True)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=stream):
            trainer.updater(batch, labels, NO_CLOCK)
        time_of_step = time_on_gpu([graph.replay], 100)
    torch.backends.cudnn.benchmark = before
    return time_of_step


def parts() -> dict[str, float]:
    """Milliseconds of every part of a step that runs kernel by kernel."""
    trainer = make_trainer(2)
    profile = Profile(trainer.device, 20)
    trainer.run(lambda _loss, _count: True, profile)
    return profile.milliseconds()


def main(folder: str) -> None:
    figures: dict[str, Any] = {"batch": BATCH}
    for name, measure in (
        ("whole", run),
        ("streaming", lambda: run(resident_limit=0)),
        ("network_alone", network_alone),
        ("parts", parts),
    ):
        figures[name] = measure()
        write(folder, "step", figures)


if __name__ == "__main__":
    main(sys.argv[1])
