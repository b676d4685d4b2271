"""Every kernel under one tool of compute-sanitizer: ``sanitizer.py FOLDER TOOL``.

Without torch's cache every tensor is an allocation of its own, so that an access beyond it shows.
Failed calls are not reported: torch probes the driver for functions it may lack, and our own calls
are checked where they are made. In a rehearsal the program runs without the tool.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

LAST_LINE = "every kernel ran"  # of launch.py
# Only our kernels, where this release understands the filter: torch's take most of the time.
FILTERS = (["--kernel-regex", "kns=nsa"], [])


def tool(name: str) -> list[list[str]]:
    """What to put before the program: the tool, first with a filter and then without."""
    if os.environ.get("NSA_REHEARSAL") == "1":
        return [[]]
    command = [
        "compute-sanitizer", "--tool", name, "--error-exitcode", "9",
        "--report-api-errors", "no", "--launch-timeout", "0",
    ]  # fmt: skip
    return [[*command, *words] for words in FILTERS]


def main(folder: str, name: str) -> int:
    before = tool(name)
    if before[0] and shutil.which(before[0][0]) is None:
        print(f"{before[0][0]} is not on PATH")
        return 1
    program = [sys.executable, str(Path(__file__).with_name("launch.py")), folder, "--all"]
    environment = {**os.environ, "PYTORCH_NO_CUDA_MEMORY_CACHING": "1"}
    for words in before:
        running = subprocess.Popen(
            [*words, *program], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True,
        )  # fmt: skip
        ran = False
        assert running.stdout is not None
        for line in running.stdout:
            print(line, end="", flush=True)
            ran = ran or line.strip() == LAST_LINE
        status = running.wait()
        if ran:
            return status
    return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
