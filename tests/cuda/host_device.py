"""A device that the shim plays on the host, in the place of a GPU for :mod:`nsa._native.cuda`."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from cuda_cases import H200_SHARED, Bytes
from guarded import GuardedMemory, GuardedTorch
from torch import Tensor

from nsa._native.cuda import kernels, operators, plan, tables
from nsa._native.extension import C
from nsa.plan.table import Plan

MULTIPROCESSORS = 132
_WORKSPACE = 1 << 20  # bytes: large boxes have few blocks, which take several each


class HostDevice:
    """``nsa._native.cuda`` on tensors of the CPU: every launch runs the real kernels on the host.

    What they write, the plan, and the tables they read end at guard pages.

    Attributes:
        native: the bindings, of the kernels compiled for the host.
        memory: for what a test gives to them.
    """

    def __init__(self, native: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
        self.native, self.memory = native, GuardedMemory()
        self.arrange()
        bindings = SimpleNamespace(**{**vars(C), **vars(native)})
        for module in (kernels, operators, plan, tables):
            monkeypatch.setattr(module, "C", bindings)
        for module in (kernels, plan):
            monkeypatch.setattr(module, "check_device", lambda _device: None)
        for module in (kernels, plan):
            monkeypatch.setattr(module, "torch", GuardedTorch(self.memory))
        monkeypatch.setattr(plan, "device_limits", lambda _device: native.device_limits())
        monkeypatch.setattr(kernels, "_stream", _no_stream)
        monkeypatch.setattr(kernels, "_WORKSPACE", _WORKSPACE)
        monkeypatch.setattr(kernels, "sine_tables", _sine_tables)
        monkeypatch.setattr(kernels, "label_table", _label_table)
        monkeypatch.setattr(torch.Tensor, "pin_memory", lambda self: self)
        monkeypatch.setattr(torch.Tensor, "clone", lambda own, **_: self.memory.copy(own, 16))

    def arrange(
        self,
        *,
        multiprocessors: int = MULTIPROCESSORS,
        shared_memory: int = H200_SHARED,
        seed: int = 0,
        broken: bool = False,
    ) -> None:
        """Change what the device is like, and forget its launches.

        Args:
            shared_memory: bytes of dynamic shared memory a block may have.
            seed: order of blocks and threads: 0 forwards, 1 backwards, else shuffled.
            broken: refuse every launch.
        """
        self.native.reset(multiprocessors, shared_memory, seed, broken)

    def launches(self) -> list[Any]:
        """Every launch since :meth:`arrange`: its kernel, blocks, threads and shared bytes."""
        return list(self.native.launches())


@contextlib.contextmanager
def _no_stream(_device: torch.device) -> Iterator[int]:
    yield 0


@functools.cache
def _sine_tables(device: torch.device) -> tuple[Tensor, ...]:
    return tuple(GuardedMemory().copy(table, 16) for table in tables.sine_tables(device))


def _label_table(*arguments: Any) -> Tensor:
    return GuardedMemory().copy(tables.label_table(*arguments), 4)


def blend(
    images: Bytes,
    sources: Bytes,
    drawn: Plan,
    mode: str,
    *,
    grey_unit: float = 0.0,
    channels_together: int = 0,
) -> Bytes:
    """The launches of ``nsa.blend.blend`` on arrays (count, height, width, channels)."""
    pixels, others = guarded(images), guarded(sources)
    on_device = plan.DevicePlan.of(
        *drawn.tensors(),
        images=kernels.shape_of(pixels),
        sources=kernels.shape_of(others),
        mode=mode,
        device=pixels.device,
        channels_together=channels_together,
    )
    return kernels.blend(pixels, others, on_device, mode, grey_unit=grey_unit).numpy()


def label(
    original: Bytes, blended: Bytes, drawn: Plan, kind: str, variant: str, *rule: float
) -> np.ndarray:
    """The launch of ``nsa.label.label``: float32 (count, height, width)."""
    pair = guarded(original), guarded(blended)
    return operators.label(*pair, *drawn.tensors(), kind, variant, *rule).numpy()


def guarded(values: np.ndarray) -> Tensor:
    """A copy that starts anywhere and ends at a guard page."""
    return GuardedMemory().copy(torch.from_numpy(values))
