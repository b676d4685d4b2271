"""Cores: what the system allows, shared with processes beside this one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nsa.system import cores
from nsa.system.processes import Worker, run_workers


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


def test_processes_started_side_by_side_know_of_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    say = "import os; print(os.environ['NSA_PROCESSES'], os.environ['OMP_NUM_THREADS'])"
    workers = [Worker(name, ("-c", say), tmp_path / name) for name in ("one", "two", "three")]
    run_workers(workers, at_once=2, devices=1, watch=lambda: None)
    for worker in workers:
        assert worker.status == 0
        assert worker.log.read_text().split() == ["2", "8"]
