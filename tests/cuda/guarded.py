"""Memory that ends where a page begins that cannot be touched: one byte too far is an error."""

from __future__ import annotations

import ctypes
import math
import mmap
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

_FILL = 0xFF  # NaN, as floats
_PROT_NONE = 0
_libc = ctypes.CDLL(None, use_errno=True)


class GuardedMemory:
    """Tensors whose last byte lies just before a guard page, full of NaN or 0xff."""

    def __init__(self) -> None:
        self._gaps: list[memoryview] = []

    def empty(
        self, *shape: int | Sequence[int], dtype: torch.dtype = torch.float32, align: int = 16
    ) -> Tensor:
        """A tensor that starts at a multiple of ``align`` bytes, as near to the guard as it can."""
        sizes = shape[0] if len(shape) == 1 and not isinstance(shape[0], int) else shape
        count = math.prod(sizes)  # type: ignore[arg-type]
        if count == 0:
            return torch.empty(sizes, dtype=dtype)
        size = count * dtype.itemsize
        start = -(-size // mmap.PAGESIZE) * mmap.PAGESIZE - -(-size // align) * align
        pages = -(-size // mmap.PAGESIZE) * mmap.PAGESIZE
        memory = mmap.mmap(-1, pages + mmap.PAGESIZE)
        address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        ctypes.memset(address, _FILL, pages)
        if _libc.mprotect(ctypes.c_void_p(address + pages), mmap.PAGESIZE, _PROT_NONE):
            raise OSError(ctypes.get_errno(), "mprotect")
        view = memoryview(memory)
        self._gaps += [view[:start], view[start + size : pages]]
        return torch.frombuffer(memory, dtype=dtype, count=count, offset=start).view(sizes)

    def copy(self, values: Tensor, align: int = 1) -> Tensor:
        """A contiguous copy; by default it starts anywhere, as a slice of a tensor may."""
        return self.empty(values.shape, dtype=values.dtype, align=align).copy_(values)

    def check(self) -> None:
        """Raise AssertionError if something was written into the gaps that alignment leaves."""
        for gap in self._gaps:
            assert gap == bytes([_FILL]) * len(gap), "written just outside of a tensor"


class GuardedTorch:
    """The module ``torch``, with an ``empty`` in guarded memory of the host."""

    def __init__(self, memory: GuardedMemory) -> None:
        self._memory = memory

    def empty(
        self,
        *shape: int | Sequence[int],
        dtype: torch.dtype = torch.float32,
        device: torch.device | None = None,
        pin_memory: bool = False,
    ) -> Tensor:
        assert pin_memory or device == torch.device("cpu")
        return self._memory.empty(*shape, dtype=dtype)

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)
