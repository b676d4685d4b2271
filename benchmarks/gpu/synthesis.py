"""Synthesis of 256 px RGB textures, at most 4 patches, logistic labels: the whole and each kernel.

Plans are drawn before the clock starts, except in the last row, which is what a user calls.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from device import (
    DEVICE,
    DevicePlan,
    capture,
    kernels,
    sized,
    textures,
    time_by_clock,
    time_calls,
    time_with_host,
    write,
)  # fmt: skip

import nsa
from nsa._native import layout
from nsa.plan import Plan
from nsa.plan.augmentation import Augmentation
from nsa.plan.table import HEIGHT, ROI_H, ROI_W, WIDTH

CHANNELS = 3
PLANS = 6
WHOLE = "blend and label, plan on the device"
COPY, BLEND, LABEL = "copy of the batch", "blend", "label"  # the kernels of it


def blend_cost(plan: Plan) -> dict[str, float]:
    """Fewest bytes and float32 operations of blending: the batch is copied, patches are read, read
    below and written; two folded transforms, two recurrences, the divergence and the sum."""
    short = np.minimum(plan.rows[:, ROI_W], plan.rows[:, ROI_H]).astype(np.float64) - 2
    long = np.maximum(plan.rows[:, ROI_W], plan.rows[:, ROI_H]).astype(np.float64) - 2
    area = plan.rows[:, WIDTH].astype(np.float64) * plan.rows[:, HEIGHT]
    solved = (short > 4) & (long > 4)
    flops = (2 * short**2 * long + 30 * short * long)[solved].sum() * CHANNELS
    return {"flops": float(flops), "bytes": float(3 * area.sum() * CHANNELS)}


def plans_on(
    transform: nsa.NSA, images: torch.Tensor, channels_together: int = 0
) -> tuple[str, list[Plan], list[DevicePlan]]:
    """The blend mode, several plans for one batch, and the same on the device."""
    shape = kernels.shape_of(images.permute(0, 2, 3, 1))
    mode = transform.config.blend_mode
    plans = [transform.plan(images, seed) for seed in range(PLANS)]
    there = [
        DevicePlan.of(
            *plan.tensors(), images=shape, sources=shape, mode=mode, device=images.device,
            channels_together=channels_together,
        )
        for plan in plans
    ]  # fmt: skip
    return mode, plans, there


def label_rule(transform: nsa.NSA) -> tuple[str, str, float, float]:
    """Logistic labels of the released variant, as the kernels' arguments."""
    config = transform.config
    return "logistic", "released", config.label_midpoint, config.label_steepness


def each_kernel(transform: nsa.NSA, images: torch.Tensor) -> Iterator[tuple[str, dict[str, Any]]]:
    """Time, fewest bytes and operations of every kernel, by name."""
    count, size = len(images), images.numel()
    pixels = images.permute(0, 2, 3, 1)
    mode, plans, on_device = plans_on(transform, images)
    blended = [kernels.blend(pixels, pixels, plan, mode) for plan in on_device]
    rule = label_rule(transform)
    random = np.random.default_rng(0)
    turned = Augmentation(
        angle=random.uniform(-5, 5, count).astype(np.float32),
        top=random.integers(0, 32, count).astype(np.int32),
        left=random.integers(0, 32, count).astype(np.int32),
        flip=random.integers(0, 2, count).astype(np.uint8),
        crop=(224, 224),
    )
    views = layout.views(turned, np.arange(count), count).to(DEVICE)
    costs = [blend_cost(plan) for plan in plans]
    moved_by_blend = float(np.mean([cost["bytes"] for cost in costs]))
    work_of_blend = float(np.mean([cost["flops"] for cost in costs]))
    out = [pixels.clone() for _ in range(PLANS)]

    def blends(there: list[DevicePlan]) -> list[Any]:
        return [
            lambda o=o, p=p: kernels.blend_(o, pixels, p, mode)
            for o, p in zip(out, there, strict=True)
        ]

    def timed(runs: list[Any], moved: float, work: float = 0.0) -> dict[str, Any]:
        return {**time_calls(runs), "bytes": moved, "flops": work}

    yield COPY, timed([lambda o=o: o.copy_(pixels) for o in out], 2 * size)
    yield BLEND, timed(blends(on_device), moved_by_blend, work_of_blend)
    for name, together in (("a channel", 1), ("all channels", CHANNELS)):
        _, _, there = plans_on(transform, images, together)
        yield f"blend, {name} a block", timed(blends(there), moved_by_blend, work_of_blend)
    yield (
        LABEL,
        timed(
            [
                lambda b=b, p=p: kernels.label(pixels, b, p, *rule)
                for b, p in zip(blended, on_device, strict=True)
            ],
            2 * size + 4 * size / CHANNELS,
        ),
    )
    yield (
        "rotate, crop, flip",
        timed([lambda: kernels.augment(pixels, views, 224, 224)], 2 * count * 224 * 224 * 3),
    )
    for dtype in (torch.bfloat16, torch.float32):
        yield (
            f"normalise to {str(dtype).removeprefix('torch.')}",
            timed(
                [
                    lambda b=b, d=dtype: kernels.normalise(b, [0.01] * 3, [-1.0] * 3, d)
                    for b in blended
                ],
                size * (1 + dtype.itemsize),
            ),
        )
    yield (
        "normalise to bfloat16, in blocks of 2 x 2",
        timed(
            [
                lambda b=b: kernels.normalise_in_blocks(b, [0.01] * 3, [-1.0] * 3, torch.bfloat16)
                for b in blended
            ],
            size * (1 + 2 * (CHANNELS + 1) / CHANNELS),
        ),
    )


def whole(transform: nsa.NSA, images: torch.Tensor) -> Iterator[tuple[str, dict[str, float]]]:
    """Time of the synthesis, from least to most of what is around the kernels."""
    pixels = images.permute(0, 2, 3, 1)
    shape = kernels.shape_of(pixels)
    mode, plans, on_device = plans_on(transform, images)
    rule = label_rule(transform)
    yield (
        WHOLE,
        time_calls(
            [
                lambda p=p: kernels.label(pixels, kernels.blend(pixels, pixels, p, mode), p, *rule)
                for p in on_device
            ]
        ),
    )
    yield (
        "the same from a plan on the host",
        time_with_host([lambda p=p: transform.synthesize(images, p) for p in plans]),
    )
    height, width = (
        max(int(plan.rows[:, column].max()) for plan in plans) for column in (ROI_H, ROI_W)
    )
    reserved = DevicePlan.reserve(
        images=shape, sources=shape, mode=mode, device=images.device, rounds=4, height=height,
        width=width,
    )  # fmt: skip
    graph, _, _ = capture(images, reserved, transform.config)
    tables = [plan.tensors() for plan in plans]

    def replay(table: Any) -> None:
        reserved.update(*table)
        graph.replay()

    yield "the same, captured in a graph", time_with_host([lambda t=t: replay(t) for t in tables])
    yield (
        "with drawing the plan: transform(images)",
        time_by_clock(lambda: transform(images), sized(10, 3)),
    )


def main(folder: str) -> None:
    transform = nsa.NSA.from_preset("carpet", generator=torch.Generator().manual_seed(0))
    batches: list[dict[str, Any]] = []
    for count in sized((64, 256), (2, 4)):
        images = textures(count).to(DEVICE)
        patches = [len(transform.plan(images, seed)) for seed in range(PLANS)]
        measured: dict[str, Any] = {
            "batch": count, "patches": float(np.mean(patches)), "whole": {}, "kernels": {},
        }  # fmt: skip
        batches.append(measured)
        for part, timings in (("whole", whole), ("kernels", each_kernel)):
            for name, time in timings(transform, images):
                measured[part][name] = time
                write(folder, "synthesis", {"batches": batches})
    last = batches[-1]
    print(f"batch {last['batch']}: {last['batch'] / last['whole'][WHOLE]['median']:,.0f} images/s")


if __name__ == "__main__":
    main(sys.argv[1])
