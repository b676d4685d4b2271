"""Synthesis of 256 px RGB textures, at most 4 patches, logistic labels: the whole and each kernel.

Plans are drawn before the clock starts, except in the last row, which is what a user calls.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np
import torch
from timing import batch, summary, time_on_gpu, write

import nsa
from nsa._cuda import kernels
from nsa._cuda.plan import DevicePlan
from nsa._cuda.synthesis import capture
from nsa._layout import plan_tensors
from nsa._native import C
from nsa.images.augment import Augmentation
from nsa.methods import blend_mode
from nsa.plan import Plan
from nsa.plan.table import HEIGHT, ROI_H, ROI_W, WIDTH

CHANNELS = 3
PLANS = 6


def blend_cost(plan: Plan) -> dict[str, float]:
    """Fewest bytes and float32 operations of blending: the batch is copied, patches are read, read
    below and written; two folded transforms, two recurrences, the divergence and the sum."""
    short = np.minimum(plan.rows[:, ROI_W], plan.rows[:, ROI_H]).astype(np.float64) - 2
    long = np.maximum(plan.rows[:, ROI_W], plan.rows[:, ROI_H]).astype(np.float64) - 2
    area = plan.rows[:, WIDTH].astype(np.float64) * plan.rows[:, HEIGHT]
    solved = (short > 4) & (long > 4)
    flops = (2 * short**2 * long + 30 * short * long)[solved].sum() * CHANNELS
    return {"flops": float(flops), "bytes": float(3 * area.sum() * CHANNELS)}


def measure(transform: nsa.NSA, count: int) -> dict[str, Any]:
    config = transform.config
    images = batch(count).cuda()
    pixels = images.permute(0, 2, 3, 1)
    shape = kernels.shape_of(pixels)
    size = pixels.numel()
    mode = int(getattr(C.Blend, blend_mode(config)))
    plans = [transform.plan(images, seed) for seed in range(PLANS)]
    on_device = [
        DevicePlan.of(
            *plan_tensors(plan), images=shape, sources=shape, mode=mode, device=images.device
        )
        for plan in plans
    ]
    blended = [kernels.blend(pixels, pixels, plan, mode) for plan in on_device]
    rule = (2, True, config.label_midpoint, config.label_steepness)
    random = np.random.default_rng(0)
    turned = Augmentation(
        angle=random.uniform(-5, 5, count).astype(np.float32),
        top=random.integers(0, 32, count).astype(np.int32),
        left=random.integers(0, 32, count).astype(np.int32),
        flip=random.integers(0, 2, count).astype(np.uint8),
        crop=(224, 224),
    )
    views = kernels.views(turned, np.arange(count), count)

    costs = [blend_cost(plan) for plan in plans]
    flops = float(np.mean([cost["flops"] for cost in costs]))
    touched = float(np.mean([cost["bytes"] for cost in costs]))
    timed: dict[str, dict[str, Any]] = {}

    def add(name: str, runs: list[Any], moved: float, work: float = 0.0) -> None:
        timed[name] = {**time_on_gpu(runs), "bytes": moved, "flops": work}

    out = [pixel.clone() for pixel in [pixels] * PLANS]
    add("copy of the batch", [lambda o=o: o.copy_(pixels) for o in out], 2 * size)
    add(
        "blend",
        [
            lambda o=o, p=p: kernels.blend_(o, pixels, p, mode)
            for o, p in zip(out, on_device, strict=True)
        ],
        touched,
        flops,
    )
    add(
        "label",
        [
            lambda b=b, p=p: kernels.label(pixels, b, p, *rule)
            for b, p in zip(blended, on_device, strict=True)
        ],
        2 * size + 4 * size / CHANNELS,
    )
    add(
        "rotate, crop, flip",
        [lambda: kernels.augment(pixels, views, 224, 224)],
        2 * count * 224 * 224 * 3,
    )
    for dtype in (torch.bfloat16, torch.float32):
        add(
            f"normalise to {str(dtype).removeprefix('torch.')}",
            [lambda b=b, d=dtype: kernels.normalise(b, [0.01] * 3, [-1.0] * 3, d) for b in blended],
            size * (1 + dtype.itemsize),
        )

    side = max(int(plan.rows[:, [ROI_W, ROI_H]].max()) for plan in plans)
    reserved = DevicePlan.reserve(
        images=shape, sources=shape, mode=mode, device=images.device, rounds=4, side=side
    )
    graph, _, _ = capture(images, reserved, config)
    tables = [plan_tensors(plan) for plan in plans]

    def replay(table: Any) -> None:
        reserved.update(*table)
        graph.replay()

    whole = {
        "blend and label, plan on the device": time_on_gpu(
            [
                lambda p=p: kernels.label(pixels, kernels.blend(pixels, pixels, p, mode), p, *rule)
                for p in on_device
            ]
        ),
        "the same from a plan on the host": time_on_gpu(
            [lambda p=p: transform.synthesize(images, p) for p in plans]
        ),
        "the same, captured in a graph": time_on_gpu([lambda t=t: replay(t) for t in tables]),
        "with drawing the plan: transform(images)": wall(lambda: transform(images)),
    }
    return {
        "batch": count,
        "patches": float(np.mean([len(plan) for plan in plans])),
        "kernels": timed,
        "whole": whole,
    }


def wall(run: Any) -> dict[str, float]:
    """Seconds by the host's clock, the device's work included."""
    seconds = []
    for _ in range(12):
        torch.cuda.synchronize()
        start = time.perf_counter()
        run()
        torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return summary(seconds[2:])


def main(folder: str) -> None:
    transform = nsa.NSA.from_preset("carpet", generator=torch.Generator().manual_seed(0))
    write(folder, "synthesis", {"batches": [measure(transform, count) for count in (64, 256)]})


if __name__ == "__main__":
    main(sys.argv[1])
