"""How much of a machine a process may use, beside others that share it."""

from __future__ import annotations

import os

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


def sharers() -> int:
    """Processes of ours that share the machine with this one, which counts."""
    return max(_count(PROCESSES), _count(_RANKS))


def _count(variable: str) -> int:
    value = os.environ.get(variable, "")
    return max(1, int(value)) if value.isdecimal() else 1
