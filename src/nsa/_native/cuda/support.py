"""Whether this build's kernels run on a GPU; if not, one sentence that says why and what to do."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

from nsa._native.extension import C
from nsa.errors import InputError

_REBUILD = "pip install --force-reinstall --no-deps ."
_OLDEST = 75  # what the CUDA compilers in use still know
_ready: set[int] = set()  # GPUs that passed


def check_device(device: torch.device) -> None:
    """Raise :class:`InputError` unless this build can run its kernels on a CUDA device."""
    index = torch.cuda.current_device() if device.index is None else device.index
    if index not in _ready:
        check_build(str(device))
        check_driver(*_versions())
        check_capability(_name(index), _capability(index), _architectures())
        _ready.add(index)


def usable(device: torch.device) -> bool:
    """Whether :func:`check_device` passes, for work that torch's own kernels do as well."""
    try:
        check_device(device)
    except InputError:
        return False
    return True


def check_build(where: str) -> None:
    """Raise :class:`InputError` if the extension was built without kernels."""
    reason = _missing()
    if reason:
        raise InputError(
            f"The tensors are on {where}, but this build of nsa has no CUDA kernels, because "
            f"{reason}, or move them to the CPU."
        )


def check_driver(runtime: int, driver: int) -> None:
    """Raise :class:`InputError` if the driver is of an older major version than the runtime.

    Args:
        runtime, driver: 1000 * major + 10 * minor; 0 where there is no driver.
    """
    if driver // 1000 < runtime // 1000:
        has = f"supports CUDA {_version(driver)} at most" if driver else "is missing"
        raise InputError(
            f"The NVIDIA driver {has}, but nsa was built with CUDA {_version(runtime)}; update the "
            f"driver, or put an older toolkit's nvcc on PATH and run `{_REBUILD}`."
        )


def check_capability(name: str, capability: int, architectures: list[int]) -> None:
    """Raise :class:`InputError` if no kernel of the build runs on a GPU.

    Machine code runs on GPUs of its major version that are not older; the newest architecture is
    there as PTX too, which the driver compiles for any newer GPU.

    Args:
        name: of the GPU.
        capability: 10 * major + minor.
        architectures: the same, of every architecture in the build.
    """
    same_major = any(a // 10 == capability // 10 and a <= capability for a in architectures)
    if same_major or capability >= max(architectures):
        return
    built = ", ".join(f"{a // 10}.{a % 10}" for a in architectures)
    advice = (
        f"rebuild with `{_REBUILD} -C cmake.define.NSA_CUDA_ARCHITECTURES={capability}`"
        if capability >= _OLDEST
        else "it is too old for the kernels, so use the CPU"
    )
    raise InputError(
        f"{name} has compute capability {capability // 10}.{capability % 10}, but this build of "
        f"nsa has kernels for {built} only; {advice}."
    )


@contextlib.contextmanager
def memory_for(what: str, size: int, lower: str) -> Iterator[None]:
    """Name what an allocation was for if there is no memory for it.

    Args:
        what: e.g. ``"Blending"``.
        size: bytes that are asked for.
        lower: what the user can make smaller.

    Raises:
        torch.OutOfMemoryError: with the size and the advice in one sentence.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise torch.OutOfMemoryError(
            f"{what} needs {size / 2**20:.1f} MiB more GPU memory than is free; lower {lower}."
        ) from error


def _missing() -> str:
    return str(C.cuda_missing)


def _architectures() -> list[int]:
    return [int(name) for name in C.cuda_architectures.split()]


def _versions() -> tuple[int, int]:
    runtime, driver = C.cuda_versions()
    return runtime, driver


def _name(index: int) -> str:
    return torch.cuda.get_device_name(index)


def _capability(index: int) -> int:
    major, minor = torch.cuda.get_device_capability(index)
    return 10 * major + minor


def _version(number: int) -> str:
    return f"{number // 1000}.{number % 1000 // 10}"
