"""Where the benchmarks of this folder run, how they are timed, and where their figures go.

On the GPU; or in a rehearsal (``gpu.sh --rehearse``) on the host, where the same functions run at
small sizes, with the CPU's operators for the kernels, so that nothing here can rot unseen.
"""

from __future__ import annotations

import functools
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from common import cores, product_images, texture_images

from nsa.settings.config import ImageConfig
from nsa.settings.fields import replace
from nsa.settings.presets import preset

REHEARSAL = os.environ.get("NSA_REHEARSAL") == "1"
DEVICE = torch.device("cpu" if REHEARSAL else "cuda")

if TYPE_CHECKING or not REHEARSAL:
    from nsa._native.cuda import kernels
    from nsa._native.cuda.plan import DevicePlan
    from nsa.synthesis.on_gpu import capture
else:
    import host_kernels as kernels
    from host_kernels import DevicePlan, capture

__all__ = [
    "REHEARSAL", "DEVICE", "kernels", "DevicePlan", "capture", "sized", "cores", "synchronise",
    "time_calls", "time_by_clock", "time_with_host", "captured", "replay_of", "summary", "settled",
    "write", "bottle_images", "textures", "products", "product_images",
]  # fmt: skip

Run = Callable[[], Any]
Value = TypeVar("Value")


def sized(measured: Value, rehearsed: Value) -> Value:
    """A size, or a number of repeats: the one that is measured, or a small one."""
    return rehearsed if REHEARSAL else measured


def synchronise() -> None:
    """Wait for the device."""
    if not REHEARSAL:
        torch.cuda.synchronize()


def time_calls(runs: list[Run], repeats: int = 60) -> dict[str, float]:
    """Seconds of one call: median and quartiles over ``repeats`` calls, cycling through ``runs``.

    Different runs read different data, so that what is timed is not the cache. Events on the device
    mark each call. It is kept busy while the first ones are queued, so that launches overlap the
    work before them.
    """
    if REHEARSAL:
        return time_by_clock(runs[0], 3)
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


def time_by_clock(run: Run, repeats: int) -> dict[str, float]:
    """Seconds by the host's clock, the device's work included; a first call does not count."""
    seconds = []
    for _ in range(repeats + 1):
        synchronise()
        start = time.perf_counter()
        run()
        synchronise()
        seconds.append(time.perf_counter() - start)
    return summary(seconds[1:])


def time_with_host(runs: list[Run], repeats: int = 7) -> dict[str, float]:
    """Seconds of one call where the host works for each: many calls between two waits, over their
    number; median and quartiles over ``repeats``.

    Calls overlap on the device as a user's do, and the slower of host and device decides.
    """
    calls = sized(48, 2)

    def many() -> None:
        for index in range(calls):
            runs[index % len(runs)]()

    many()  # pinned memory is taken from the system once
    return {name: time / calls for name, time in time_by_clock(many, sized(repeats, 3)).items()}


def captured(run: Run, before_capture: Run) -> Run:
    """``run`` as a CUDA graph, after a few plain calls; in a rehearsal ``run`` itself.

    What is returned keeps all that ``run`` reads and writes: a graph knows only addresses.
    """
    if REHEARSAL:
        run()
        before_capture()
        return run
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            run()
        before_capture()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=stream):
            run()
    torch.cuda.current_stream().wait_stream(stream)
    return replay_of(graph, run)


def replay_of(graph: Any, captured_run: Run) -> Run:
    """Replays a graph, and holds what it was captured from as long as that is possible."""

    def replay() -> None:
        graph.replay()

    replay.captured_run = captured_run  # type: ignore[attr-defined]
    return replay


def summary(seconds: list[float]) -> dict[str, float]:
    """Median and quartiles."""
    low, median, high = statistics.quantiles(seconds, n=4) if len(seconds) > 1 else seconds * 3
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
    """Keep the figures of a stage for the report; called again whenever there are more."""
    path = Path(folder, f"{name}.json")
    new = path.with_suffix(".new")
    new.write_text(json.dumps(figures, indent=1))
    new.replace(path)


def bottle_images() -> ImageConfig:
    """How the paper prepares bottles; in a rehearsal as small as a network takes them fast."""
    images = preset("bottle").images
    return replace(images, **sized({}, {"center_crop": (72, 72), "crop": (64, 64)}))


def textures(count: int) -> torch.Tensor:
    """uint8 (count, 3, 256, 256), channels-last, on the CPU: textures, 16 different ones."""
    different = sized(16, 2)
    base = texture_images(different, 256)
    shifted = [np.roll(base[i % different], 7 * (i // different), axis=1) for i in range(count)]
    return torch.from_numpy(np.stack(shifted)).permute(0, 3, 1, 2)


@functools.cache  # drawing them takes seconds
def products(count: int) -> torch.Tensor:
    """uint8 (count, 3, 256, 256), channels-last, on the CPU: products, 64 different ones."""
    different = sized(64, 3)
    base = product_images(different)
    shifted = [np.roll(base[i % different], i // different, axis=0) for i in range(count)]
    return torch.from_numpy(np.stack(shifted)).permute(0, 3, 1, 2)
