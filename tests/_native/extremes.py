"""Hostile values for arguments of every kind: the extremes of numbers, arrays of odd layouts."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "cuda"))

from guarded import GuardedMemory

INTEGERS = (0, -1, 1, 2, 5, 255, 65535, 65536, 2**31 - 1, -(2**31), 2**31, 2**32, 2**62, 2**63 - 1,
            -(2**63), 2**63, 2**64, 10**400, True, None, "1", 1.5)  # fmt: skip
FLOATS = (math.nan, math.inf, -math.inf, 0.0, -0.0, 5e-324, 1e-45, 1e38, 1e39, 1e308, -1e308, -1,
          10**400, None, "1")  # fmt: skip
WORDS = ("", "Source", "source ", "binary", "released", "paste", "\0", "é" * 999, "\ud800", None, 3)
MEMORY = GuardedMemory()


def guarded(values: np.ndarray) -> np.ndarray:
    """A copy that ends at a guard page."""
    if values.size == 0:
        return values.copy()
    return MEMORY.copy(torch.from_numpy(values.copy()), values.itemsize).numpy()


def extremes(name: str, value: Any) -> Iterator[Any]:
    """Hostile values in the place of ``value``."""
    if name == "stream":  # a pointer, which only its owner can know
        return
    if isinstance(value, bool) or value is None:
        yield from (2, "x")
    elif isinstance(value, int):
        yield from INTEGERS
    elif isinstance(value, float):
        yield from FLOATS
    elif isinstance(value, str):
        yield from WORDS
    elif isinstance(value, torch.Tensor):
        yield from tensors(value)
    elif isinstance(value, np.ndarray):
        yield from arrays(value)
    elif isinstance(value, (tuple, list)):
        yield from sequences(name, value)
    else:
        yield from (None, 0, object())


def sequences(name: str, value: Any) -> Iterator[Any]:
    yield from (None, (), (1,) * 9, "x")
    if isinstance(value[0], float):
        yield from ([bad] * 3 for bad in FLOATS)
    elif isinstance(value[0], tuple):  # several parts of device memory
        for index in range(len(value)):
            for bad in sequences(name, value[index]):
                yield [*value[:index], bad, *value[index + 1 :]]
    elif len(value) == 2:  # of device memory: no more than there is
        address, size = value
        yield from ((0, size), (0, 0), (address, 0), (address, -1), (address, size - 1))
        yield from ((address + 1, size - 1), (-1, size), (address, 2**63), (2**64, size))
    else:
        for index in range(len(value)):
            for bad in INTEGERS:
                yield (*value[:index], bad, *value[index + 1 :])


def arrays(value: np.ndarray) -> Iterator[Any]:
    yield from (None, [], 3, value.astype(np.float64), value.astype(np.complex64), value.tolist())
    yield from (value.astype(value.dtype.newbyteorder(">")), value.astype(object), value > 0)
    yield from (value[..., None], value[:0], value[..., :0], value[:1], value.reshape(-1)[:1])
    yield from (value[::-1], value.T, np.asfortranarray(value), np.array(value.reshape(-1)[0]))
    yield from (np.broadcast_to(value[:1], (300, *value.shape[1:])), value[..., :1].copy())
    yield np.zeros((0,) * value.ndim, value.dtype)
    yield np.concatenate([value, value])
    frozen = value.copy()
    frozen.flags.writeable = False
    yield frozen
    if value.itemsize > 1:  # starts anywhere
        shifted = np.zeros(value.nbytes + 1, np.uint8)[1:]
        shifted[:] = value.reshape(-1).view(np.uint8)
        yield shifted.view(value.dtype).reshape(value.shape)
    yield from filled(value)


def filled(value: np.ndarray) -> Iterator[np.ndarray]:
    """The array full of an extreme, and with it in each column of a row."""
    if value.dtype.kind == "f":
        bad: list[Any] = [number for number in FLOATS if isinstance(number, float)]
    else:
        info = np.iinfo(value.dtype)
        some = {*INTEGERS[:-4], info.min + 1, info.max - 1, -2, 11, 19, 20, 29, 30}
        bad = sorted(int(number) for number in some if info.min <= number <= info.max)
    for number in bad:
        with np.errstate(over="ignore"):
            yield guarded(np.full_like(value, number))
        for column in range(value.shape[-1] if value.ndim == 2 else 0):
            for row in range(len(value)):
                one = value.copy()
                one[row, column] = number
                yield guarded(one)


def tensors(value: torch.Tensor) -> Iterator[Any]:
    for array in arrays(value.numpy()):
        native = isinstance(array, np.ndarray) and array.dtype.kind in "biufc"
        if native and array.dtype.isnative and all(step >= 0 for step in array.strides):
            yield torch.from_numpy(array if array.flags.writeable else array.copy())
    yield from (value.to("meta"), value.to_sparse(), value.double(), value.bool(), None, "x")
    yield from (
        value.to(torch.float32, copy=True).requires_grad_(),
        value.transpose(0, -1),
        value.expand(1, *value.shape),
    )
    if value.dtype.is_floating_point:
        yield value.clone().requires_grad_()
