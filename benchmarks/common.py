"""What the benchmarks share: images to work on, the machine, the goals and number formats."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import cv2
import numpy as np
import torch

_LIBRARIES = (
    "nsa", "torch", "numpy", "numba", "opencv-python-headless", "scikit-image", "scikit-learn",
    "fpie",
)  # fmt: skip


@dataclass(frozen=True)
class Goal:
    """What was promised before measuring.

    Attributes:
        group: words that the benchmark's group must contain.
        peer: part of the name of the peer that ``times`` compares with.
        times: how many times faster than the peer.
        seconds: largest median.
        rate: smallest number of images per second.
    """

    group: tuple[str, ...]
    peer: str = ""
    times: float | None = None
    seconds: float | None = None
    rate: float | None = None


GOALS = (
    Goal(("clone",), "cv2", times=20),
    Goal(("label", "logistic"), "scikit-image", times=50),
    Goal(("synthesis", "logistic"), "reference", times=40),
    Goal(("synthesis", "binary"), "reference", times=10),
    Goal(("plan of",), "whole synthesis", times=20),
    Goal(("training", "224"), rate=38),
    Goal(("AU-PRO", "83 maps"), seconds=0.1),
)


def goal_for(group: str, peer: str) -> Goal | None:
    """The goal of ``nsa`` itself (``peer`` is "nsa") or of its ratio to a peer."""
    for goal in GOALS:
        compared = peer == "nsa" if goal.times is None else goal.peer in peer
        if compared and all(word.lower() in group.lower() for word in goal.group):
            return goal
    return None


def product_images(count: int, size: int = 256, channels: int = 3, seed: int = 0) -> np.ndarray:
    """Round dark parts on a bright background, uint8 (count, size, size, channels).

    Position, radius, light and surface vary from part to part, as they do on a line.
    """
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:size, :size].astype(np.float32) / size
    images = np.empty((count, size, size, channels), np.uint8)
    for image in images:
        centre, radius = rng.normal(0.5, 0.015, 2), rng.normal(0.36, 0.01)
        distance = np.hypot(rows - centre[0], columns - centre[1]) / radius
        inside = 1 / (1 + np.exp((distance - 1) * 60))
        rings = 40 * np.cos(9 * distance + rng.normal(0, 0.2)) * (distance < 1)
        light = 1 + 0.1 * (rows - 0.5) * rng.normal()
        for channel in range(channels):
            part = rng.normal(80 + 10 * channel, 4) + rings + _noise(rng, size, 3, 9)
            value = (230 + inside * (part - 230)) * light + rng.normal(0, 2, (size, size))
            image[..., channel] = np.clip(value, 0, 255)
    return images


def texture_images(count: int, size: int = 256, channels: int = 3, seed: int = 0) -> np.ndarray:
    """Woven surfaces that fill the image, uint8 (count, size, size, channels)."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:size, :size].astype(np.float32)
    images = np.empty((count, size, size, channels), np.uint8)
    for image in images:
        shift = _noise(rng, size, 12, 1.5)
        weave = 25 * np.sin(rows / 2.5 + shift) * np.cos(columns / 3 - shift)
        for channel in range(channels):
            value = 120 + 12 * channel + weave + _noise(rng, size, 2, 12) + _noise(rng, size, 40, 8)
            image[..., channel] = np.clip(value, 0, 255)
    return images


def defect_maps(count: int = 83, size: int = 256, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Anomaly maps as a fair detector draws them, and masks; a quarter of the images is normal.

    Returns:
        float32 maps in (0, 1) and boolean masks, both (count, size, size).
    """
    rng = np.random.default_rng(seed)
    masks = np.zeros((count, size, size), np.uint8)
    for mask in masks[count // 4 :]:
        for _ in range(rng.integers(1, 4)):
            centre = tuple(int(value) for value in rng.integers(size // 6, 5 * size // 6, 2))
            axes = tuple(int(value) for value in rng.integers(size // 50, size // 8, 2))
            cv2.ellipse(mask, centre, axes, float(rng.uniform(0, 180)), 0, 360, 1, -1)
    maps = np.empty(masks.shape, np.float32)
    for scores, mask in zip(maps, masks, strict=True):
        found = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 5)
        logit = 2.5 * _noise(rng, size, 4, 1) + 5 * found - 4
        scores[:] = 1 / (1 + np.exp(-logit))
    return maps, masks.astype(bool)


def _noise(rng: np.random.Generator, size: int, width: float, deviation: float) -> np.ndarray:
    """Smooth noise of a given width and standard deviation, float32 (size, size)."""
    noise = cv2.GaussianBlur(rng.standard_normal((size, size), np.float32), (0, 0), width)
    return noise * np.float32(deviation / noise.std())


def peak_memory(call: Callable[[], object]) -> int | None:
    """Bytes that this process holds at most in a call beyond those before it; None: not on Linux.

    Memory that the process keeps of what it freed before is not among them.
    """
    if not Path("/proc/self/clear_refs").exists():
        return None
    Path("/proc/self/clear_refs").write_text("5")  # the highest from now on
    before = _status("VmRSS")
    call()
    return _status("VmHWM") - before


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def cores() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def machine() -> dict[str, str]:
    """What the figures depend on, as name -> text."""
    about = {
        "processor": f"{_processor()}, {cores()} cores",
        "system": f"{platform.system()} {platform.release()}, {platform.machine()}",
        "Python": platform.python_version(),
    }
    if hasattr(os, "sysconf"):  # not on Windows
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        about["memory"] = f"{memory / 2**30:.0f} GiB"
    try:
        from nsa._native.extension import C
    except ImportError:
        about["kernels"] = "not built"
    else:
        about["kernels"] = C.instruction_set()
    if torch.cuda.is_available():
        about["GPU"] = torch.cuda.get_device_name()
    for library in _LIBRARIES:
        try:
            about[library] = metadata.version(library)
        except metadata.PackageNotFoundError:
            about[library] = "not installed"
    return about


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def seconds(value: float) -> str:
    """A time with three significant digits and a fitting unit."""
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if value >= scale or unit == "us":
            return f"{significant(value / scale)} {unit}"
    raise AssertionError


def significant(value: float, digits: int = 3) -> str:
    """``value`` rounded to so many digits, without an exponent."""
    if value == 0:
        return "0"
    decimals = digits - 1 - int(np.floor(np.log10(abs(value))))
    return f"{round(value, decimals):.{max(decimals, 0)}f}"
