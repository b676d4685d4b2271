"""How fuzzing draws its examples: by hypothesis, from one seed, in bounded memory."""

from __future__ import annotations

import contextlib
import os
import resource
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis.strategies import SearchStrategy

FLOATS = [
    0.0, -0.0, 1.0, -1.0, 0.5, 255.0, 1e-45, 1e-310, 1e38, -1e38, 3.5e38, 1e308, -1e308,
    2.0**31, -(2.0**31), 2.0**63, -(2.0**63), float("nan"), float("inf"), -float("inf"),
]  # fmt: skip
_TOGETHER = 1000  # examples that hypothesis remembers at a time
_PLAIN = settings(
    database=None,  # nothing is kept in the checkout; the seed repeats a run
    deadline=None,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
    verbosity=Verbosity.quiet,
    print_blob=False,
)


def extremes(dtype: np.dtype[Any]) -> list[Any]:
    """Values of a type that arithmetic has to take care of."""
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        near = [info.min, info.min + 1, info.max - 1, info.max, info.max // 2, 0, 1, 2, 255, -1]
        return [value for value in near if info.min <= value <= info.max]
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            return [dtype.type(value) for value in FLOATS]
    return [dtype.type(0)] if dtype.kind != "V" else [np.zeros((), dtype)[()]]


def explore(
    check: Callable[..., None], *strategies: SearchStrategy[Any], examples: int, start: int
) -> None:
    """Call ``check`` with what the strategies draw; a failure is shrunk and raised.

    Args:
        examples: how many, at most; hypothesis stops earlier where there are no more.
        start: the seed.
    """
    for first in range(0, examples, _TOGETHER):
        some = settings(_PLAIN, max_examples=min(_TOGETHER, examples - first))
        seed(start + first)(some(given(*strategies)(check)))()


@contextlib.contextmanager
def bounded_memory(extra: int) -> Iterator[None]:
    """Let this process have ``extra`` bytes of address space more than now, and no more.

    Where the system counts none, as macOS does not, nothing is bounded.
    """
    if sys.platform != "linux":
        yield
        return
    now = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGESIZE")
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (now + extra, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def is_a_sentence(error: Exception) -> None:
    """A message is one readable line of some length, not a dump of what it complains of."""
    message = str(error)
    assert message.isprintable(), message
    assert message.endswith((".", "?", ")")), message
    assert len(message) < 1500, message
