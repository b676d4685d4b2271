"""The compute capabilities of the GPUs that the driver shows and compilers still know.

As a program it prints them as a list of CMake: ``75;90``.
"""

from __future__ import annotations

import ctypes

OLDEST = 75

# CUdevice_attribute of cuda.h.
_MAJOR = 75
_MINOR = 76


def capabilities() -> list[int]:
    """10 * major + minor of each kind of GPU from OLDEST on, ascending; none without a driver."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return []
    count = ctypes.c_int()
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)):
        return []
    found = {_capability(driver, index) for index in range(count.value)}
    return sorted(capability for capability in found if capability >= OLDEST)


def _capability(driver: ctypes.CDLL, index: int) -> int:
    device = ctypes.c_int()
    major, minor = ctypes.c_int(), ctypes.c_int()
    if (
        driver.cuDeviceGet(ctypes.byref(device), index)
        or driver.cuDeviceGetAttribute(ctypes.byref(major), _MAJOR, device)
        or driver.cuDeviceGetAttribute(ctypes.byref(minor), _MINOR, device)
    ):
        raise RuntimeError(f"the NVIDIA driver does not tell the compute capability of GPU {index}")
    return 10 * major.value + minor.value


if __name__ == "__main__":
    print(*capabilities(), sep=";")
