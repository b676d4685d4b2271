"""How much of a machine a process may use, beside others that share it."""

from __future__ import annotations

import os
from pathlib import Path

# Set for processes that nsa starts side by side; torchrun sets the other for its own.
PROCESSES = "NSA_PROCESSES"
_RANKS = "LOCAL_WORLD_SIZE"


def usable_cores() -> int:
    """Cores that the system lets this process use, at least 1."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def own_cores() -> int:
    """This process's share of the usable cores, at least 1."""
    return max(1, usable_cores() // sharers())


def idle_seconds(statistics: Path = Path("/proc/stat")) -> float | None:
    """Seconds that the usable cores have been idle since the system began, summed over them.

    In a container it may be the machine's cores that are meant.

    Args:
        statistics: Linux's file of what cores have done.

    Returns:
        None: the system does not say.
    """
    try:
        lines = statistics.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    usable = {f"cpu{core}" for core in os.sched_getaffinity(0)}
    found = [line.split() for line in lines if line.partition(" ")[0] in usable]
    # Fields: user, nice, system, idle, and idle while a disk works.
    ticks = sum(int(values[4]) + int(values[5]) for values in found)
    return ticks / os.sysconf("SC_CLK_TCK") if found else None


def sharers() -> int:
    """Processes of ours that share the machine with this one, which counts."""
    return max(_count(PROCESSES), _count(_RANKS))


def _count(variable: str) -> int:
    value = os.environ.get(variable, "")
    return max(1, int(value)) if value.isdecimal() else 1
