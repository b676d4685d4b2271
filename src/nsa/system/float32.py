"""Arithmetic that depends on the machine as little as can be."""

from __future__ import annotations

import threading
from typing import Any

import torch


class _FullFloat32:
    """Arithmetic on a GPU without TF32, whose 10 bits would make maps depend on the machine.

    The switches are those of the whole process: of threads inside at the same time the first sets
    them, and the last puts them back.
    """

    def __init__(self) -> None:
        self._lock, self._inside = threading.Lock(), 0
        self._before: list[tuple[Any, str]] = []

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._before = self._switch()
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                for owner, value in self._before:
                    owner.fp32_precision = value

    @staticmethod
    def _switch() -> list[tuple[Any, str]]:
        """Set the switches; how they were before."""
        cudnn: Any = torch.backends.cudnn
        owners: tuple[Any, ...] = (cudnn.conv, torch.backends.cuda.matmul)
        before = [(owner, owner.fp32_precision) for owner in owners]
        for owner in owners:
            owner.fp32_precision = "ieee"
        return before


FULL_FLOAT32 = _FullFloat32()
"""Arithmetic on a GPU without TF32, within a ``with`` block."""
