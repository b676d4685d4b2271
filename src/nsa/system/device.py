"""Which device and which precision a run uses, decided once and said in the log."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from typing import Literal

import torch

from nsa._native.cuda.support import check_device
from nsa._native.extension import C
from nsa.errors import InputError, shown

Precision = Literal["bf16", "fp32"]

_log = logging.getLogger("nsa")


@contextlib.contextmanager
def float32_weights(device: str | None = "cpu") -> Iterator[None]:
    """Modules that are made inside have float32 weights, whatever torch's default dtype is.

    Args:
        device: where they are; None: torch's default device. Its default is not asked otherwise.
    """
    before = torch.get_default_dtype()
    if before != torch.float32:  # which all threads share
        torch.set_default_dtype(torch.float32)
    try:
        with contextlib.nullcontext() if device is None else torch.device(device):
            yield
    finally:
        if before != torch.float32:
            torch.set_default_dtype(before)


def choose_device(name: str | torch.device = "auto") -> torch.device:
    """The device called ``name``: ``"auto"`` (a GPU where there is one), ``"cpu"`` or ``"cuda"``.

    Raises:
        InputError: another name, or ``"cuda"`` where torch sees no GPU.
    """
    if isinstance(name, torch.device) and name.index in (None, 0):
        name = name.type
    check_device_name(name)
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name == "cpu":
        return torch.device("cpu")
    if not torch.cuda.is_available():
        reason = (
            "this torch is built without CUDA"
            if torch.version.cuda is None
            else "torch finds no GPU or no driver for one"
        )
        raise InputError(f"device 'cuda' was asked for, but {reason}; use --device cpu.")
    return torch.device("cuda")


def check_device_name(name: object) -> None:
    """Check the name of a device, which may be another machine's.

    Raises:
        InputError: it is none of ``"auto"``, ``"cpu"`` and ``"cuda"``.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise InputError(f"device must be 'auto', 'cpu' or 'cuda', got {shown(name)}.")


def choose_training_device(name: str = "auto") -> torch.device:
    """:func:`choose_device` for work that also needs this package's own kernels there.

    ``"auto"`` is the CPU, with a warning, where torch sees a GPU that the kernels do not run on.

    Raises:
        InputError: as there, or ``"cuda"`` without kernels for the GPU.
    """
    device = choose_device(name)
    if device.type == "cuda":
        try:
            check_device(device)
        except InputError as error:
            reason = str(error).removeprefix(f"The tensors are on {device}, but ")
            reason = reason.replace("or move them to the CPU", "or use --device cpu")
            if name != "auto":
                raise InputError(f"device 'cuda' cannot be used: {reason}") from error
            _log.warning("There is a GPU, but the CPU is used: %s", reason)
            return torch.device("cpu")
    return device


def use_own_gpu() -> None:
    """With several GPUs, take the one that ``LOCAL_RANK`` means for this process.

    ``torchrun`` sets it, and so does who starts several processes on one machine.
    """
    local, count = os.environ.get("LOCAL_RANK", "0"), torch.cuda.device_count()
    if count > 1 and local.isdigit():
        torch.cuda.set_device(int(local) % count)


def choose_precision(name: str, device: torch.device) -> Precision:
    """The precision called ``name`` on ``device``.

    ``"auto"`` is bfloat16 (autocast; weights, loss and optimiser stay float32) where the hardware
    multiplies it natively, which is 2-3 times faster, and float32 elsewhere: emulated bfloat16 is
    slower than float32.

    Raises:
        InputError: ``name`` is none of ``"auto"``, ``"bf16"`` and ``"fp32"``.
    """
    if name == "auto":
        return "bf16" if _multiplies_bfloat16(device) else "fp32"
    if name == "bf16":
        if not _multiplies_bfloat16(device):
            _log.warning("This %s has no bfloat16 arithmetic; fp32 will be faster.", device.type)
        return "bf16"
    if name == "fp32":
        return "fp32"
    raise InputError(f"precision must be 'auto', 'bf16' or 'fp32', got {shown(name)}.")


def own_threads(asked: int | None, device: str) -> int | None:
    """How many threads a training computes with, which decides how a CPU rounds its sums.

    Args:
        asked: the number that was asked for; None: as many as torch has taken.

    Returns:
        None on a GPU unless a number was asked for: there it decides nothing.
    """
    return torch.get_num_threads() if asked is None and device == "cpu" else asked


@contextlib.contextmanager
def torch_threads(count: int | None) -> Iterator[None]:
    """Let torch compute with so many threads while the block lasts; None: with as many as now."""
    before = torch.get_num_threads()
    if count is not None:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def memory_format(device: torch.device, precision: Precision) -> torch.memory_format:
    """Channels-last, except for float32 on a CPU, where it halves the speed of the convolutions."""
    if device.type == "cpu" and precision == "fp32":
        return torch.contiguous_format
    return torch.channels_last


def keep_freed_memory() -> bool:
    """Let the C library keep what is freed for the next allocation, until the process ends.

    It would return blocks as large as a layer's output to the system at once, which then clears
    every page anew for the next layer: a tenth of a training step on a CPU. The commands call this;
    importing the package does not, because it changes the whole process.

    Returns:
        Whether the C library has such a setting; only glibc does.
    """
    kept: bool = C.keep_freed_memory()
    return kept


def _multiplies_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # Absent or raising in some releases and on other processors; then float32 is right.
    checks = (
        getattr(torch.cpu, f"_is_{name}_supported", None) for name in ("avx512_bf16", "amx_tile")
    )
    return any(check is not None and check() for check in checks)
