"""How much memory is there."""

from __future__ import annotations

import os
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")


def available_memory() -> int:
    """Bytes that this process may still take, as far as the system tells.

    On Linux what is available, within the limit of the process's container; elsewhere, where there
    is no such figure without a library, all of the machine's memory.
    """
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        fields = dict(line.split(":", 1) for line in lines)
        available = 1024 * int(fields["MemAvailable"].split()[0])
    except (OSError, KeyError, ValueError):
        return _all_memory()
    try:
        limit = (_CGROUP / "memory.max").read_text(encoding="ascii")
        used = (_CGROUP / "memory.current").read_text(encoding="ascii")
        return min(available, int(limit) - int(used))
    except (OSError, ValueError):  # no container, or "max"
        return available


def _all_memory() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return 1 << 63  # nothing is known: let the system refuse
