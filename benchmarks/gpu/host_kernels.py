"""What a rehearsal has in place of the GPU's kernels: the CPU's operators behind the same names.

Only what the benchmarks call, see :mod:`nsa._native.cuda.kernels`, :mod:`nsa._native.cuda.plan` and
:mod:`nsa.synthesis.on_gpu`. Arguments are held against those of the real functions, so that a call
that would fail on a GPU fails in a rehearsal.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor

from nsa._native.cuda import kernels, plan
from nsa._native.cuda.kernels import shape_of
from nsa._native.extension import C
from nsa._native.layout import VIEW, space_to_depth
from nsa.blend import blend as blend_batch
from nsa.label import label as label_batch
from nsa.plan import Plan
from nsa.settings.config import SynthesisConfig
from nsa.synthesis import on_gpu

__all__ = [
    "shape_of",
    "blend",
    "blend_",
    "label",
    "augment",
    "relight",
    "normalise",
    "normalise_in_blocks",
]

Table = tuple[Tensor, Tensor, Tensor]
Function = TypeVar("Function", bound=Callable[..., Any])


def instead_of(real: Callable[..., Any]) -> Callable[[Function], Function]:
    """The decorated function takes what ``real`` takes; else it raises TypeError, as that would."""
    signature = inspect.signature(real)

    def decorate(function: Function) -> Function:
        @functools.wraps(function)
        def checked(*arguments: Any, **named: Any) -> Any:
            signature.bind(*arguments, **named)
            return function(*arguments, **named)

        return checked  # type: ignore[return-value]

    return decorate


class DevicePlan:
    """A plan's arrays as they are."""

    def __init__(self, table: Table | None) -> None:
        self.table = table

    @staticmethod
    @instead_of(plan.DevicePlan.of)
    def of(*table: Tensor, **_shapes: Any) -> DevicePlan:
        rows, factors, masks = table
        return DevicePlan((rows, factors, masks))

    @staticmethod
    @instead_of(plan.DevicePlan.reserve)
    def reserve(**_shapes: Any) -> DevicePlan:
        return DevicePlan(None)

    @instead_of(plan.DevicePlan.update)
    def update(self, *table: Tensor) -> None:
        rows, factors, masks = table
        self.table = (rows, factors, masks)

    def arrays(self) -> Table:
        assert self.table is not None, "the plan was reserved and never updated"
        return self.table


class Replay:
    """Blends and labels whatever the plan holds when it is called."""

    def __init__(
        self, images: Tensor, plan: DevicePlan, config: SynthesisConfig, lights: Tensor | None
    ) -> None:
        assert lights is None, "no stage has patches in another light"
        self._images, self._plan, self._config = images, plan, config

    def replay(self) -> None:
        rows, factors, masks = (part.numpy() for part in self._plan.arrays())
        drawn = Plan(rows, factors, masks)
        blended = blend_batch(self._images, drawn, self._config.blend_mode)
        label_batch(self._images, blended, drawn, self._config)


@instead_of(on_gpu.capture)
def capture(
    images: Tensor, plan: DevicePlan, config: SynthesisConfig, lights: Tensor | None = None
) -> tuple[Replay, Tensor | None, Tensor | None]:
    return Replay(images, plan, config, lights), None, None


@instead_of(kernels.blend)
def blend(images: Tensor, sources: Tensor, plan: DevicePlan, mode: str) -> Tensor:
    blended: Tensor = torch.ops.nsa.blend(images, sources, *plan.arrays(), mode)
    return blended


@instead_of(kernels.blend_)
def blend_(images: Tensor, sources: Tensor, plan: DevicePlan, mode: str) -> Tensor:
    return images.copy_(blend(images, sources, plan, mode))


@instead_of(kernels.label)
def label(original: Tensor, blended: Tensor, plan: DevicePlan, *rule: Any) -> Tensor:
    labels: Tensor = torch.ops.nsa.label(original, blended, *plan.arrays(), *rule)
    return labels


@instead_of(kernels.augment)
def augment(store: Tensor, table: Tensor, rows: int, columns: int) -> Tensor:
    count = table.numel() // VIEW.itemsize
    out = torch.empty((count, rows, columns, store.shape[3]), dtype=torch.uint8)
    C.gather_cpu(store.contiguous().numpy(), table.numpy(), out.numpy(), 1)
    return out


@instead_of(kernels.relight)
def relight(images: Tensor, table: Tensor) -> Tensor:
    out = torch.empty_like(images)
    C.relight_cpu(images.contiguous().numpy(), table.numpy(), out.numpy(), 1)
    return out


@instead_of(kernels.normalise)
def normalise(images: Tensor, scale: list[float], shift: list[float], dtype: torch.dtype) -> Tensor:
    return (images * torch.tensor(scale) + torch.tensor(shift)).to(dtype)


@instead_of(kernels.normalise_in_blocks)
def normalise_in_blocks(
    images: Tensor, scale: list[float], shift: list[float], dtype: torch.dtype
) -> Tensor:
    return space_to_depth(normalise(images, scale, shift, dtype).permute(0, 3, 1, 2))
