"""Versions, hardware and kernels: what a bug report and a published figure both need."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from nsa._native.extension import C

_PACKAGES = ("nsa", "torch", "torchvision", "numpy", "numba", "opencv-python-headless")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide a result.

    A package that came another way, such as OpenCV with its windows, has none under its name.
    """
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed under this name"
    return found


def hardware() -> dict[str, Any]:
    """Processor, cores, threads and GPUs."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "instruction_set": C.instruction_set(),
        "gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
    }


def kernels() -> dict[str, str]:
    """Whether the build holds CUDA kernels, for which architectures, and what they run on."""
    if C.cuda_missing:
        return {"CUDA kernels": f"none: {C.cuda_missing}"}
    runtime, driver = C.cuda_versions()
    devices = [
        f"{gpu.name} (capability {gpu.capability}, {gpu.memory / 2**30:.0f} GiB)"
        for gpu in C.cuda_devices()
    ]
    return {
        "CUDA kernels": f"built for {C.cuda_architectures}",
        "CUDA runtime": _cuda_version(runtime),
        "CUDA driver": _cuda_version(driver) if driver else "none",
        "GPUs": "; ".join(devices) or "none",
    }


def torch_cuda() -> str:
    """Whether torch itself can use a GPU."""
    if torch.version.cuda is None:
        return "none: this torch is built without CUDA"
    return f"{torch.version.cuda}, {torch.cuda.device_count()} GPUs"


def _cuda_version(number: int) -> str:
    return f"{number // 1000}.{number % 1000 // 10}"


def _processor() -> str:
    """The processor's own name where the system tells it, else its architecture."""
    listing = Path("/proc/cpuinfo")
    if listing.is_file():
        for line in listing.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
