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
        self._before: list[tuple[Any, str, bool | str]] = []

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._before = self._switch()
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                for owner, name, value in self._before:
                    setattr(owner, name, value)

    @staticmethod
    def _switch() -> list[tuple[Any, str, bool | str]]:
        """Set the switches; how they were before."""
        owners: tuple[Any, ...] = (torch.backends.cudnn, torch.backends.cuda.matmul)
        name: str = "allow_tf32"
        full: bool | str = False
        # The old switches cannot be read in a program that has set those which replace them.
        if hasattr(torch.backends.cudnn, "conv"):
            owners = (torch.backends.cudnn.conv, torch.backends.cuda.matmul)
            name, full = "fp32_precision", "ieee"
        before = [(owner, name, getattr(owner, name)) for owner in owners]
        for owner in owners:
            setattr(owner, name, full)
        return before


FULL_FLOAT32 = _FullFloat32()
"""Arithmetic on a GPU without TF32, within a ``with`` block."""
