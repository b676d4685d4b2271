"""One plan blended by OpenCV and by this package's CPU kernels on all cores, and by the GPU."""

from __future__ import annotations

import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cv2
import numpy as np
import torch
from timing import batch, summary, time_on_gpu, write

import nsa
from nsa import reference
from nsa.blend import blend
from nsa.methods import blend_mode
from nsa.plan.table import IMAGE, SOURCE, Plan

COUNT = 64


def of_image(plan: Plan, index: int) -> Plan:
    """The rows of one image, which becomes image 0; sources keep their numbers."""
    own = plan.rows[:, IMAGE] == index
    rows = plan.rows[own].copy()
    rows[:, IMAGE], rows[:, SOURCE] = 0, 1
    return Plan(rows, plan.factors[own], plan.masks)


def by_clock(run: Any, repeats: int) -> dict[str, float]:
    run()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return summary(seconds)


def main(folder: str) -> None:
    transform = nsa.NSA.from_preset("carpet")
    images = batch(COUNT)
    plan = transform.plan(images, 1)
    mode = blend_mode(transform.config)
    pixels = np.ascontiguousarray(images.permute(0, 2, 3, 1).numpy())
    sources = {int(row[IMAGE]): int(row[SOURCE]) for row in plan.rows}
    # Image and source together, so that a thread reads what one image needs.
    pairs = [np.stack([pixels[i], pixels[sources.get(i, i)]]) for i in range(COUNT)]
    parts = [of_image(plan, i) for i in range(COUNT)]
    cores = os.cpu_count() or 1
    cv2.setNumThreads(1)
    with ThreadPoolExecutor(cores) as pool:
        opencv = by_clock(
            lambda: list(
                pool.map(lambda i: reference.blend(pairs[i], parts[i], mode), range(COUNT))
            ),
            5,
        )
    torch.set_num_threads(cores)
    host = by_clock(lambda: blend(images, plan, mode), 10)
    there = images.cuda()
    device = time_on_gpu([lambda: blend(there, plan, mode)])
    write(
        folder,
        "peers",
        {
            "batch": COUNT,
            "cores": cores,
            "opencv": cv2.__version__,
            "seconds": {
                f"cv2.seamlessClone on {cores} cores": opencv,
                f"nsa on {cores} cores": host,
                "nsa on the GPU, from a plan on the host": device,
            },
        },
    )


if __name__ == "__main__":
    main(sys.argv[1])
