"""A device that the shim plays on the host, in the place of a GPU for :mod:`nsa._cuda`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from cuda_cases import H200_SHARED, Bytes

from nsa._cuda import clone, kernels, operators, plan, synthesis, tables
from nsa._native import C
from nsa.plan.table import Plan

MULTIPROCESSORS = 132


class HostDevice:
    """``nsa._cuda`` on tensors of the CPU: every launch runs the real kernels on the host.

    Attributes:
        native: the bindings, of the kernels compiled for the host.
    """

    def __init__(self, native: ModuleType) -> None:
        self.native = native
        self.arrange()

    def arrange(
        self,
        *,
        multiprocessors: int = MULTIPROCESSORS,
        shared_memory: int = H200_SHARED,
        seed: int = 0,
    ) -> None:
        """Change what the device is like, and forget its launches.

        Args:
            shared_memory: bytes of dynamic shared memory a block may have.
            seed: order of blocks and threads: 0 forwards, 1 backwards, else shuffled.
        """
        self.native.reset(multiprocessors, shared_memory, seed)

    def launches(self) -> list[Any]:
        """Every launch since :meth:`arrange`: its kernel, blocks, threads and shared bytes."""
        return list(self.native.launches())


def install(native: ModuleType, monkeypatch: pytest.MonkeyPatch) -> HostDevice:
    """Put the shim's bindings and the host's memory in the place of the GPU's."""
    bindings = SimpleNamespace(**{**vars(C), **vars(native)})
    for module in (clone, kernels, plan, synthesis, tables):
        monkeypatch.setattr(module, "C", bindings)
    for module in (kernels, operators, plan):
        monkeypatch.setattr(module, "check_device", lambda _device: None)
    monkeypatch.setattr(plan, "shared_limit", lambda _device: native.shared_memory_limit())
    monkeypatch.setattr(kernels, "_stream", _no_stream)
    monkeypatch.setattr(torch, "empty", _unpinned)
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda self: self)
    return HostDevice(native)


@contextlib.contextmanager
def _no_stream(_device: torch.device) -> Iterator[int]:
    yield 0


_empty = torch.empty


def _unpinned(*shape: Any, pin_memory: bool = False, **options: Any) -> torch.Tensor:
    del pin_memory
    return _empty(*shape, **options)


def blend(
    images: Bytes, sources: Bytes, drawn: Plan, mode: str, *, grey_unit: float = 0.0
) -> Bytes:
    """The launches of ``nsa.blend.blend`` on arrays (count, height, width, channels)."""
    pixels, others = torch.from_numpy(images), torch.from_numpy(sources)
    number = int(getattr(C.Blend, mode))
    on_device = plan.DevicePlan.of(
        torch.from_numpy(drawn.rows),
        torch.from_numpy(drawn.factors),
        torch.from_numpy(drawn.masks),
        images=kernels.shape_of(pixels),
        sources=kernels.shape_of(others),
        mode=number,
        device=pixels.device,
    )
    return kernels.blend(pixels, others, on_device, number, grey_unit=grey_unit).numpy()


def label(
    original: Bytes, blended: Bytes, drawn: Plan, kind: int, overwrite: bool, *rule: float
) -> np.ndarray:
    """The launch of ``nsa.label.label``: float32 (count, height, width)."""
    return operators.label(
        torch.from_numpy(original),
        torch.from_numpy(blended),
        torch.from_numpy(drawn.rows),
        torch.from_numpy(drawn.factors),
        torch.from_numpy(drawn.masks),
        kind,
        overwrite,
        *rule,
    ).numpy()
