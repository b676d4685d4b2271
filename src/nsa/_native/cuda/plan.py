"""A plan on the GPU: checked and ordered on the host, copied there at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nsa._native.cuda.support import check_device, memory_for
from nsa._native.extension import C

_BATCH = "the batch size"
Shape = tuple[int, int, int, int]


@dataclass
class DevicePlan:
    """A plan in device memory, for images of one shape.

    It must be used on the stream that was current when it was made or last updated.

    Attributes:
        native: layout of the buffer and bounds of the launches.
        buffer: uint8, the packed plan.
        masks: uint8 masks that were on the device already, or None: they are in the buffer.
    """

    native: Any
    buffer: Tensor
    masks: Tensor | None = None

    @classmethod
    def of(
        cls,
        rows: Tensor,
        factors: Tensor,
        masks: Tensor,
        *,
        images: Shape,
        sources: Shape,
        mode: str | None,
        device: torch.device,
        channels_together: int = 0,
    ) -> DevicePlan:
        """Check a plan and start its copy to ``device``.

        Args:
            rows, factors, masks: as in :class:`nsa.plan.Plan`, on the CPU; masks on either.
            images, sources: (count, height, width, channels).
            mode: how it is blended; None: for labels alone.
            channels_together: that one block blends, 1 or all; 0: what suits the batch and the GPU.

        Raises:
            InputError: a row leaves the images, with its number; or the GPU is not supported.
        """
        check_device(device)
        there = masks.is_cuda
        table = rows.numpy(), factors.numpy(), np.zeros(0, np.uint8) if there else masks.numpy()
        native = C.DevicePlan.of(
            *table, masks.numel(), images, sources, mode, device_limits(device), channels_together
        )
        made = cls(native, _allocate(native.bytes, device), masks if there else None)
        made._copy(*table)
        return made

    @classmethod
    def reserve(
        cls,
        *,
        images: Shape,
        sources: Shape,
        mode: str,
        device: torch.device,
        rounds: int,
        height: int,
        width: int,
        mask_bytes: int = 0,
    ) -> DevicePlan:
        """Room for any plan of at most ``rounds`` patches an image, each ``height`` x ``width`` px.

        Launches made with it may be captured in a CUDA graph; :meth:`update` then changes what a
        replay blends. The plan is empty until then.
        """
        check_device(device)
        native = C.DevicePlan.reserve(
            images, sources, mode, device_limits(device), rounds, height, width, mask_bytes
        )
        made = cls(native, _allocate(native.bytes, device))
        made.buffer.zero_()
        return made

    def update(self, rows: Tensor, factors: Tensor, masks: Tensor) -> None:
        """Replace the plan; one copy from pinned memory, ordered on the current stream.

        Raises:
            InputError: a row leaves the images, or the plan needs more than was reserved.
        """
        self._copy(rows.numpy(), factors.numpy(), masks.numpy())

    def _copy(self, *table: Any) -> None:
        # Torch keeps this pinned memory until the copy is over, so it may be dropped at once.
        host = torch.empty(self.native.bytes, dtype=torch.uint8, device="cpu", pin_memory=True)
        self.native.pack(*table, host.numpy())
        self.buffer.copy_(host, non_blocking=True)


def device_limits(device: torch.device) -> Any:
    """What a GPU offers to a launch: ``shared_memory`` of a block in bytes, ``multiprocessors``."""
    with torch.cuda.device(device):
        C.use_cuda_device(torch.cuda.current_device())
        return C.device_limits()


def _allocate(size: int, device: torch.device) -> Tensor:
    with memory_for("The plan", size, _BATCH):
        return torch.empty(size, dtype=torch.uint8, device=device)
