"""How the fuzzing campaigns draw their examples: by hypothesis, from one seed, in bounded memory."""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis.strategies import SearchStrategy

_TOGETHER = 1000  # examples that hypothesis remembers at a time
_PLAIN = settings(
    database=None,  # nothing is kept in the checkout; the seed repeats a run
    deadline=None,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
    verbosity=Verbosity.quiet,
    print_blob=False,
)


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
    """Let this process have ``extra`` bytes of address space more than now, and no more."""
    now = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGESIZE")
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (now + extra, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
