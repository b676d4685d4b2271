"""Timing on a GPU: events around many runs, medians and quartiles; scenes to time."""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))


def time_on_gpu(runs: list[Callable[[], Any]], repeats: int = 60) -> dict[str, float]:
    """Seconds of one call: median and quartiles over ``repeats`` calls, cycling through ``runs``.

    Different runs read different data, so that what is timed is not the cache. The device is kept
    busy while the first calls are queued, so that launches overlap the work before them.
    """
    for run in runs:
        run()
    events = [
        (torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True))
        for _ in range(repeats)
    ]
    torch.cuda.synchronize()
    torch.cuda._sleep(50_000_000)  # cycles: time to queue the first calls
    for index, (start, end) in enumerate(events):
        start.record()
        runs[index % len(runs)]()
        end.record()
    torch.cuda.synchronize()
    return summary([start.elapsed_time(end) / 1000 for start, end in events])


def summary(seconds: list[float]) -> dict[str, float]:
    low, median, high = statistics.quantiles(seconds, n=4)
    return {"median": median, "low": low, "high": high}


def settled(counts: list[int], images: int) -> int:
    """The first reading by which so many images were trained on.

    Steps of every size are captured by then; the first readings come early, because timing cuDNN's
    algorithms takes long.

    Args:
        counts: images since the reading before.
    """
    return int(np.searchsorted(np.cumsum(counts), images))


def write(folder: str, name: str, figures: dict[str, Any]) -> None:
    """Keep the figures of a stage for the report."""
    Path(folder, f"{name}.json").write_text(json.dumps(figures, indent=1))
    print(json.dumps(figures, indent=1))


def batch(count: int) -> torch.Tensor:
    """uint8 (count, 3, 256, 256), channels-last, on the CPU: textures, 16 different ones."""
    from common import texture_images

    base = texture_images(16, 256)
    shifted = [np.roll(base[i % 16], 7 * (i // 16), axis=1) for i in range(count)]
    return torch.from_numpy(np.stack(shifted)).permute(0, 3, 1, 2)
