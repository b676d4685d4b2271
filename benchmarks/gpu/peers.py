"""One plan blended by OpenCV and by this package's CPU kernels on all cores, and by the GPU."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import torch
from device import DEVICE, cores, sized, textures, time_by_clock, time_with_host, write

import nsa
from nsa import reference
from nsa.blend import blend
from nsa.plan.table import IMAGE, SOURCE, Plan


def of_image(plan: Plan, index: int) -> Plan:
    """The rows of one image, which becomes image 0; sources keep their numbers."""
    own = plan.rows[:, IMAGE] == index
    rows = plan.rows[own].copy()
    rows[:, IMAGE], rows[:, SOURCE] = 0, 1
    return Plan(rows, plan.factors[own], plan.masks)


def main(folder: str) -> None:
    transform = nsa.NSA.from_preset("carpet")
    count = sized(64, 3)
    images = textures(count)
    plan = transform.plan(images, 1)
    mode = transform.config.blend_mode
    pixels = np.ascontiguousarray(images.permute(0, 2, 3, 1).numpy())
    sources = {int(row[IMAGE]): int(row[SOURCE]) for row in plan.rows}
    # Image and source together, so that a thread reads what one image needs.
    pairs = [np.stack([pixels[i], pixels[sources.get(i, i)]]) for i in range(count)]
    parts = [of_image(plan, i) for i in range(count)]
    seconds: dict[str, dict[str, float]] = {}

    def add(name: str, time: dict[str, float]) -> None:
        seconds[name] = time
        figures = {"batch": count, "opencv": cv2.__version__, "seconds": seconds}
        write(folder, "peers", figures)
        print(f"{name}: {count / time['median']:,.0f} images/s")

    cv2.setNumThreads(1)
    with ThreadPoolExecutor(cores()) as pool:
        opencv = time_by_clock(
            lambda: list(
                pool.map(lambda i: reference.blend(pairs[i], parts[i], mode), range(count))
            ),
            sized(5, 3),
        )
    add(f"cv2.seamlessClone on {cores()} cores", opencv)
    torch.set_num_threads(cores())
    host = time_by_clock(lambda: blend(images, plan, mode), sized(10, 3))
    add(f"nsa on {cores()} cores", host)
    there = images.to(DEVICE)
    add(
        "nsa on the GPU, from a plan on the host",
        time_with_host([lambda: blend(there, plan, mode)]),
    )


if __name__ == "__main__":
    main(sys.argv[1])
