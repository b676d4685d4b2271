"""Cores: what the system allows, shared with processes beside this one."""

from __future__ import annotations

import os

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
