"""Random images and plans, and the CPU's blending of them."""

from __future__ import annotations

import typing
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from nsa._native.extension import C
from nsa.plan import table
from nsa.plan.table import Plan
from nsa.settings.methods import PATCH_MODES, BlendMode

Bytes = npt.NDArray[np.uint8]
MODES = typing.get_args(BlendMode)
EXACT = ("paste", "interpolate")  # to the bit on every device; the others to a grey level
# Patches of every mode, and of copies of the images in another light.
MIXTURE = {"altered": 0.3, "cutpaste": 0.2, "nsa_mixed": 0.2}
H200_SHARED = 232_448  # bytes a block may have


def pictures(
    random: np.random.Generator, count: int, height: int, width: int, channels: int
) -> Bytes:
    """Smooth noise of varying contrast, with some saturated regions: (count, height, width, C)."""
    noise = random.integers(0, 256, (count, height, width, channels), dtype=np.uint8)
    out = np.empty_like(noise)
    for index, image in enumerate(noise):
        sigma = random.uniform(0.5, 4.0)
        smooth = cv2.GaussianBlur(image, (0, 0), sigma).reshape(image.shape).astype(np.float64)
        bright = (smooth - smooth.mean()) * 3 * sigma + random.uniform(60, 190)
        out[index] = np.clip(bright, 0, 255)
    return out


def random_plan(
    random: np.random.Generator,
    count: int,
    images: tuple[int, int],
    sources: tuple[int, int],
    *,
    rounds: int = 1,
    masks: bool = False,
    size: tuple[int, int] | None = None,
) -> Plan:
    """Boxes anywhere inside, of any size, or with a ``size`` (width, height) where it is given."""
    rows, parts, used = [], [], 0
    for turn in range(rounds):
        for image in range(count):
            if rounds > 1 and random.random() < 0.2:
                continue
            (height, width), (high, wide) = images, sources
            w, h = size or (random.integers(1, width + 1), random.integers(1, height + 1))
            source = _box(random, wide, high, *random.integers(1, [wide + 1, high + 1]))
            into = _box(random, width, height, w, h)
            whole = random.random() < 0.7
            inner = (max(w - 2, 1), max(h - 2, 1)) if whole else random.integers(1, [w + 1, h + 1])
            roi = _box(random, w, h, *inner)
            place = _box(random, width, height, *inner)
            offsets = [-1, -1]
            for which in range(2 if masks else 0):
                if random.random() < 0.7:
                    offsets[which] = used
                    parts.append(_mask(random, w, h))
                    used += w * h
            rows.append(
                [
                    image,
                    random.integers(count),
                    *source,
                    w,
                    h,
                    *into[:2],
                    *roi,
                    *place[:2],
                    *offsets,
                    turn,
                    random.integers(len(PATCH_MODES)),
                ]
            )
    factors = random.uniform(0.05, 1.0, len(rows)).astype(np.float32)
    table_ = np.array(rows, np.int32).reshape(-1, len(table.COLUMNS))
    return Plan(table_, factors, np.concatenate(parts) if parts else np.zeros(0, np.uint8))


def _box(random: np.random.Generator, width: int, height: int, w: int, h: int) -> list[int]:
    return [
        int(random.integers(width - w + 1)),
        int(random.integers(height - h + 1)),
        int(w),
        int(h),
    ]


def _mask(random: np.random.Generator, width: int, height: int) -> Bytes:
    """A disk-like region with a few holes, so that erosion leaves something."""
    y, x = np.mgrid[:height, :width]
    disk = ((x - width / 2) / max(width, 1)) ** 2 + ((y - height / 2) / max(height, 1)) ** 2 < 0.24
    holes = random.random((height, width)) < random.choice([0.0, 0.003])
    return (disk & ~holes).astype(np.uint8).reshape(-1)


def blend_on_cpu(images: Bytes, sources: Bytes, plan: Plan, mode: str) -> Bytes:
    out = np.empty_like(images)
    C.blend_cpu(images, sources, plan.rows, plan.factors, plan.masks, mode, out, 1)
    return out


def largest_difference(a: Any, b: Any) -> int:
    return int(np.abs(np.asarray(a, np.int64) - np.asarray(b, np.int64)).max(initial=0))
