"""Compiling the samplers."""

from __future__ import annotations

from nsa.plan import natural
from nsa.plan._jit import entry


def test_compiles_where_nothing_can_be_cached() -> None:
    names: dict[str, object] = {}
    exec(compile("def twice(x):\n    return 2 * x", "<no file>", "exec"), names)
    twice = entry(names["twice"])
    assert twice(21) == 42
    assert twice.stats.cache_path is None


def test_code_is_kept_on_disk_and_runs_without_the_gil() -> None:
    assert natural.draw.stats.cache_path is not None
    assert natural.draw.targetoptions["nogil"]
