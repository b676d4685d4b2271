"""Cores: what the system allows, shared with processes beside this one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nsa.system import cores


@pytest.fixture(autouse=True)
def sixteen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: set(range(16)), raising=False)
    for name in ("NSA_PROCESSES", "LOCAL_WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)


def test_affinity_decides_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    assert cores.usable_cores() == cores.own_cores() == 16
    monkeypatch.delattr(os, "sched_getaffinity")
    assert cores.usable_cores() == 3


@pytest.mark.parametrize("variable", ["NSA_PROCESSES", "LOCAL_WORLD_SIZE"])
@pytest.mark.parametrize(("count", "share"), [("4", 4), ("5", 3), ("99", 1), ("", 16), ("x", 16)])
def test_processes_side_by_side_share(
    variable: str, count: str, share: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, count)
    assert cores.own_cores() == share
    assert cores.usable_cores() == 16


def test_idle_seconds_of_the_usable_cores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 12}, raising=False)
    monkeypatch.setattr(os, "sysconf", {"SC_CLK_TCK": 100}.__getitem__)
    file = tmp_path / "stat"
    file.write_text(
        "cpu  9 9 9 9999 9 9 9 9 0 0\ncpu0 1 2 3 400 50 6 7 8 0 0\ncpu1 1 2 3 7777 5 6 7 8 0 0\n"
        "cpu12 1 2 3 1000 50 6 7 8 0 0\nintr 5 0 0 0\n"
    )
    assert cores.idle_seconds(file) == 15.0
    file.write_text("cpu1 1 2 3 4 5 6 7 8 0 0\n")
    assert cores.idle_seconds(file) is None
    assert cores.idle_seconds(tmp_path / "none") is None
