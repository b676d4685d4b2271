"""The GPU's own counters for the two big kernels, by ncu: ``counters.py FOLDER``.

ncu runs this program again with ``--launch``, which blends and labels one batch of 256. What is
read: time, bytes from memory, float32 operations, occupancy, registers. In a rehearsal the batch is
small, and a page as ncu writes it stands for what it would have said.
"""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

KERNELS = "regex:blend|label"  # by part of the name, so that a renamed kernel is still found
TIME, BYTES = "gpu__time_duration.sum", "dram__bytes.sum"
ADDED, MULTIPLIED, FUSED = (
    f"smsp__sass_thread_inst_executed_op_{name}_pred_on.sum" for name in ("fadd", "fmul", "ffma")
)
ACTIVE = "sm__warps_active.avg.pct_of_peak_sustained_active"
REGISTERS, THREADS, BLOCKS = (
    f"launch__{name}" for name in ("registers_per_thread", "block_size", "grid_size")
)
SHARED = "launch__shared_mem_per_block"
METRICS = (TIME, BYTES, ADDED, MULTIPLIED, FUSED, ACTIVE, REGISTERS, THREADS, BLOCKS, SHARED)

_REHEARSED = """\
==PROF== Connected to process 1
"ID","Process ID","Kernel Name","{columns}"
"","","","ns","byte","inst","inst","inst","%","register/thread","","","byte/block"
"0","1","blend_images","210,000","90,000,000","1e9","1e9","2e9","31.5","128","128","768","40960"
"1","1","label_tiles","250,000","120,000,000","0","0","0","19.0","168","128","16384","28704"
""".format(columns='","'.join(METRICS))


def launch() -> None:
    """One batch, blended and labelled."""
    import torch
    from device import DEVICE, kernels, sized, synchronise, textures
    from synthesis import label_rule, plans_on

    import nsa

    transform = nsa.NSA.from_preset("carpet", generator=torch.Generator().manual_seed(0))
    images = textures(sized(256, 2)).to(DEVICE)
    pixels = images.permute(0, 2, 3, 1)
    mode, _, plans = plans_on(transform, images)
    blended = kernels.blend(pixels, pixels, plans[0], mode)
    kernels.label(pixels, blended, plans[0], *label_rule(transform))
    synchronise()


def number(text: str) -> float | None:
    """A cell; ncu groups digits by commas and writes n/a for what it could not count."""
    try:
        return float(text.replace(",", ""))
    except ValueError:
        return None


def parse(page: str) -> list[dict[str, Any]]:
    """One dictionary a launch from ncu's raw page in CSV, with ``--print-units base``."""
    lines = page.splitlines()
    first = next((i for i, line in enumerate(lines) if line.startswith('"ID"')), None)
    if first is None:
        return []
    table = list(csv.reader(lines[first:]))
    header = table[0]
    found = []
    for row in table[1:]:
        if len(row) != len(header) or not row[0]:  # the row of units has no ID
            continue
        cells = dict(zip(header, row, strict=True))
        value = {name: number(cells.get(name, "")) for name in METRICS}
        operations = [value[name] for name in (ADDED, MULTIPLIED, FUSED)]
        counted = [count for count in operations if count is not None]
        found.append(
            {
                "kernel": cells["Kernel Name"],
                "seconds": None if value[TIME] is None else value[TIME] / 1e9,
                "bytes": value[BYTES],
                "flops": sum(counted) + (value[FUSED] or 0.0) if counted else None,
                "occupancy": None if value[ACTIVE] is None else value[ACTIVE] / 100,
                "registers": value[REGISTERS],
                "threads": value[THREADS],
                "blocks": value[BLOCKS],
                "shared_bytes": value[SHARED],
            }
        )
    return found


def profile(folder: str) -> str:
    """What ncu says, as text."""
    program = [sys.executable, __file__, "--launch"]
    if os.environ.get("NSA_REHEARSAL") == "1":
        subprocess.run(program, check=True)
        return _REHEARSED
    page = Path(folder, "counters-page.log")
    command = [
        "ncu", "--csv", "--page", "raw", "--print-units", "base", "--kernel-name", KERNELS,
        "--print-kernel-base", "function", "--metrics", ",".join(METRICS), "--log-file", str(page),
        *program,
    ]  # fmt: skip
    subprocess.run(command, check=False)
    return page.read_text() if page.is_file() else ""


def main(folder: str) -> int:
    if os.environ.get("NSA_REHEARSAL") != "1" and shutil.which("ncu") is None:
        print("ncu is not on PATH")
        return 1
    page = profile(folder)
    # Imported here: under ncu every import takes its time.
    from device import write

    launches = parse(page)
    write(folder, "counters", {"launches": launches})
    if not launches:
        print(page)
        print("ncu counted nothing")
        return 1
    print("; ".join(f"{row['kernel']} {row['registers'] or 0:.0f} registers" for row in launches))
    return 0


if __name__ == "__main__":
    if sys.argv[1] == "--launch":
        launch()
    else:
        sys.exit(main(sys.argv[1]))
