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
from step import BATCH, make_trainer
from timing import write
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from nsa import reference
from nsa.config import ImageConfig, SynthesisConfig
from nsa.images import augment
from nsa.training import Trainer
from nsa.training.profile import NO_CLOCK

SECONDS = 10.0


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
    images, labels = (part.cuda(non_blocking=True) for part in batch)
    trainer.updater(images, labels, NO_CLOCK)


def main(folder: str) -> None:
    trainer = make_trainer(1)
    trainer.model.train()
    cores = len(os.sched_getaffinity(0))
    # Without the clone all images would go to shared memory, which containers have little of.
    data = Batches(trainer.images[:BATCH].clone(), trainer.synthesis.config, trainer.image_config)
    batches = iter(
        DataLoader(
            data, batch_size=None, num_workers=cores, pin_memory=True, prefetch_factor=2,
            multiprocessing_context="spawn",
        )
    )  # fmt: skip
    figures: dict[str, Any] = {"cores": cores, "batch": BATCH}
    for _ in range(cores):  # the first batch of every process pays for its start
        update(trainer, next(batches))
    torch.cuda.synchronize()
    start, waited, steps = time.perf_counter(), 0.0, 0
    while time.perf_counter() - start < SECONDS:
        asked = time.perf_counter()
        batch = next(batches)
        waited += time.perf_counter() - asked
        update(trainer, batch)
        steps += 1
    torch.cuda.synchronize()
    spent = time.perf_counter() - start
    figures["images_per_second"] = steps * BATCH / spent
    figures["wait_share"] = waited / spent
    write(folder, "loader", figures)
    # The processes are in the middle of batches that nobody wants.
    for process in multiprocessing.active_children():
        process.kill()
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1])
