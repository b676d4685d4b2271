"""Kernel by kernel, what a training step costs the device: the first 25 of them."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from device import REHEARSAL, write
from step import BATCH, profiled

ROWS = 25
# Of events in a trace. Ranges that code marks, such as the optimiser's, are of other kinds.
_KINDS = ("cpu_op",) if REHEARSAL else ("kernel", "gpu_memcpy", "gpu_memset")


def rows(events: list[dict[str, Any]], steps: int) -> list[dict[str, Any]]:
    """Kernels by their time a step, longest first.

    Args:
        events: of a trace of so many steps, in Chrome's format.
    """
    spent: Counter[str] = Counter()
    calls: Counter[str] = Counter()
    for event in events:
        if event.get("cat") in _KINDS:
            spent[event["name"]] += event["dur"]
            calls[event["name"]] += 1
    return [
        {"name": name, "calls": calls[name] / steps, "microseconds": microseconds / steps}
        for name, microseconds in spent.most_common()
    ]


def main(folder: str) -> None:
    profile = profiled()
    path = Path(folder, "trace.chrome")  # large, so it has no name that the archive keeps
    profile.write_trace(path)
    events = json.loads(path.read_text())["traceEvents"]
    kernels = rows(events, sum(step.traced for step in profile.steps))
    total = sum(row["microseconds"] for row in kernels)
    figures = {
        "batch": BATCH, "total_microseconds": total, "different": len(kernels),
        "rows": kernels[:ROWS],
    }  # fmt: skip
    write(folder, "trace_step", figures)
    print(f"{total / 1e3:.2f} ms of {len(kernels)} different kernels a step of {BATCH}")


if __name__ == "__main__":
    main(sys.argv[1])
