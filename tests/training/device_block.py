"""Reads the block of bytes that a GPU reads, as csrc/device/schedule.h lays it out."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from nsa._native.layout import VIEW
from nsa.plan.bounds import plan_bounds
from nsa.plan.table import COLUMNS, Plan
from nsa.settings.config import ImageConfig, SynthesisConfig
from nsa.training.packed import PackedStep


def unpack(
    block: Tensor, layout: PackedStep, synthesis: SynthesisConfig, images: ImageConfig
) -> tuple[Plan, Any]:
    """The plan and the views in a block."""
    rounds, _, _, _ = plan_bounds(synthesis, *images.crop)
    most = rounds * layout.count
    packed = layout.plan_of(block).numpy()
    start = 0

    def take(size: int, dtype: str) -> Any:
        nonlocal start
        part = packed[start : start + size].view(dtype)
        start += (size + 15) // 16 * 16
        return part

    rows = take(most * len(COLUMNS) * 4, "i4").reshape(-1, len(COLUMNS))
    factors = take(most * 4, "f4")
    take((1 + layout.count) * 4, "i4")
    image_first = take((layout.count + 1) * 4, "i4")
    take(most * 4, "i4")
    used = image_first[-1]
    plan = Plan(rows=rows[:used].copy(), factors=factors[:used].copy(), masks=packed[start:].copy())
    return plan, layout.views_of(block).numpy().view(VIEW)
