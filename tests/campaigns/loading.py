"""Synthesis inside the workers of a data loader, as a process of its own.

    python loading.py METHOD WORKERS

prints a digest of what a loader gives whose workers are started by a method of multiprocessing.
"""

from __future__ import annotations

import hashlib
import sys

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

import nsa


class Synthetic(Dataset[tuple[Tensor, Tensor]]):
    """Batches of synthetic anomalies, each from a seed of its own."""

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(5)
        self._images = torch.randint(
            0, 256, (16, 3, 48, 56), dtype=torch.uint8, generator=generator
        )
        self._transform = nsa.NSA(max_patches=2)

    def __len__(self) -> int:
        return len(self._images) // 2

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        pair = self._images[2 * index : 2 * index + 2]
        return self._transform.synthesize(pair, self._transform.plan(pair, seed=index))


def main(method: str, workers: int) -> None:
    dataset = Synthetic()
    dataset[0]  # what it compiles or starts here, workers inherit or start again
    torch.set_num_threads(2)
    loader = DataLoader(
        dataset, batch_size=2, num_workers=workers,
        multiprocessing_context=method if workers else None,
    )  # fmt: skip
    digest = hashlib.blake2b()
    for images, labels in loader:
        digest.update(images.numpy().tobytes() + labels.numpy().tobytes())
    print(digest.hexdigest())


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
