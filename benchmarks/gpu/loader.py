"""The way it is done otherwise: OpenCV and scikit-image in the processes of a DataLoader.

The same network on the same GPU is fed by ``nsa.reference`` from all CPU cores.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import torch
from device import DEVICE, cores, sized, synchronise, write
from step import BATCH, make_trainer
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from nsa import reference
from nsa.images.augment import augment
from nsa.settings.config import ImageConfig, SynthesisConfig
from nsa.training import Trainer
from nsa.training.profile import NO_CLOCK

SECONDS = sized(10.0, 0.5)
SECONDS_BETWEEN_READINGS = sized(2.0, 0.2)


class Batches(IterableDataset[tuple[torch.Tensor, torch.Tensor]]):
    """Endless batches, each made whole by one process."""

    def __init__(
        self, images: torch.Tensor, synthesis: SynthesisConfig, config: ImageConfig
    ) -> None:
        self._images, self._synthesis, self._config = images, synthesis, config

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        cv2.setNumThreads(1)
        torch.set_num_threads(1)
        worker = get_worker_info()
        random = np.random.default_rng(0 if worker is None else worker.id)
        while True:
            seed = int(random.integers(2**62))
            normal = augment(self._images, self._config, seed=seed)
            pixels = np.ascontiguousarray(normal.permute(0, 2, 3, 1).numpy())
            blended, labels = reference.synthesize(pixels, self._synthesis, seed)
            images = torch.from_numpy(blended).permute(0, 3, 1, 2)
            yield images, torch.from_numpy(labels)[:, None]


def update(trainer: Trainer, batch: tuple[torch.Tensor, torch.Tensor]) -> None:
    images, labels = (part.to(DEVICE, non_blocking=True) for part in batch)
    trainer.updater(images, labels, NO_CLOCK)


def main(folder: str) -> None:
    trainer = make_trainer()
    trainer.model.train()
    # Without the clone all images would go to shared memory, which containers have little of.
    data = Batches(trainer.images[:BATCH].clone(), trainer.synthesis.config, trainer.image_config)
    processes = cores()
    batches = iter(
        DataLoader(
            data, batch_size=None, num_workers=processes, pin_memory=DEVICE.type == "cuda",
            prefetch_factor=2, multiprocessing_context="spawn",
        )
    )  # fmt: skip
    for _ in range(processes):  # the first batch of every process pays for its start
        update(trainer, next(batches))
    synchronise()
    print(f"{processes} processes have started", flush=True)
    start, waited, steps, written = time.perf_counter(), 0.0, 0, 0.0
    spent = 0.0
    while spent < SECONDS:
        asked = time.perf_counter()
        batch = next(batches)
        waited += time.perf_counter() - asked
        update(trainer, batch)
        steps += 1
        spent = time.perf_counter() - start
        if spent >= min(SECONDS, written + SECONDS_BETWEEN_READINGS):
            synchronise()
            spent = written = time.perf_counter() - start
            figures: dict[str, Any] = {
                "processes": processes,
                "batch": BATCH,
                "steps": steps,
                "images_per_second": steps * BATCH / spent,
                "wait_share": waited / spent,
            }
            write(folder, "loader", figures)
    print(f"{steps * BATCH / spent:,.0f} images/s", flush=True)
    # The processes are in the middle of batches that nobody wants.
    for process in multiprocessing.active_children():
        process.kill()
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1])
