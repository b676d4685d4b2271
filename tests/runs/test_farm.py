"""The farm: every task runs once, one that fails stops no other, and a signal stops them all."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
import time
from pathlib import Path

import pytest
from farm_tasks import Small

from nsa.errors import InputError
from nsa.runs.farm import FAILED, FINISHED, WAITS, Farm
from nsa.runs.workers import Worker, last_line, worker_environment
from nsa.system.interrupt import Interrupted

posix = pytest.mark.skipif(sys.platform == "win32", reason="no POSIX signals")


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers find the tasks, and share four cores."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    for name in ("LOCAL_RANK", "NSA_PROCESSES", "OMP_NUM_THREADS", "PYTHONUNBUFFERED"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("nsa.runs.workers.usable_cores", lambda: 4)


def tasks(folder: Path, *names: str) -> list[Small]:
    return [Small(folder, name) for name in names]


@posix
@pytest.mark.parametrize("ignored", [False, True])
def test_a_worker_stops_with_its_farm(ignored: bool, tmp_path: Path) -> None:
    """However that ends: its pipe closes. Jobs in a shell's background ignore SIGINT at first."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN if ignored else signal.SIG_DFL)
    try:
        worker = Worker(tmp_path / "log", worker_environment(0, 1))
    finally:
        signal.signal(signal.SIGINT, before)
    [endless] = tasks(tmp_path, "endless")
    worker._orders.write(pickle.dumps(endless))
    worker._orders.flush()
    while last_line(endless.log) != "Working.":
        time.sleep(0.05)
    worker._orders.close()
    assert worker._process.wait(timeout=60) == 130
    assert last_line(endless.log) == "Interrupted."
    worker._replies.close()


@posix
def test_workers_do_every_task_whatever_becomes_of_the_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nsa.runs.farm._log.propagate", True)
    caplog.set_level("INFO", "nsa")
    names = ("old", "one", "bad", "two", "elsewhere", "broken", "three", "killed", "four")
    (tmp_path / "old").write_text("as it was")
    farm = Farm(tasks(tmp_path, *names), "go on")
    assert farm.left() == 8
    farm.spread(1, 2, lambda: "")
    assert farm.left() == 0
    assert farm.running() == []
    assert (tmp_path / "old").read_text() == "as it was"
    assert not (tmp_path / "old.log").exists()
    said = {name: (tmp_path / name).read_text().split() for name in ("one", "two", "three", "four")}
    assert said["one"] == said["two"]  # one worker, which lives on after a refusal
    assert len({values[0] for values in said.values()}) == 3
    assert str(os.getpid()) not in {values[0] for values in said.values()}
    assert all(values[2:] == ["0", "1", "4"] for values in said.values())
    assert str(os.getsid(0)) not in {values[1] for values in said.values()}  # Ctrl-C is ours alone
    assert {name for name, state in farm.states.items() if state == FINISHED} == {"old", *said}
    assert {name for name, state in farm.states.items() if state == FAILED} == set(farm.failures)
    assert farm.failures == {
        "bad": f"It cannot be done. (all of it: {tmp_path / 'bad.log'})",
        "broken": f"ValueError: no such luck (all of it: {tmp_path / 'broken.log'})",
        "killed": f"the process was ended by SIGKILL (all of it: {tmp_path / 'killed.log'})",
    }
    assert set((tmp_path / "one.log").read_text().splitlines()) == {"one begins.", "Below Python."}
    assert last_line(tmp_path / "bad.log") == "Error: It cannot be done."
    # That one runs is seen only if it does when somebody looks.
    for line in ("two is finished.", "bad failed.", "elsewhere is in the hands of"):
        assert line in caplog.text


@posix
def test_a_log_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """A later task's alone: its worker goes on. The first one's, which is its worker's, too."""
    (tmp_path / "one.log").mkdir()
    farm = Farm(tasks(tmp_path, "zero", "one", "two"), "go on")
    farm.spread(1, 1, lambda: "")
    assert farm.states == {"zero": FINISHED, "one": FAILED, "two": FINISHED}
    assert farm.failures["one"].startswith(f"Cannot write {tmp_path / 'one.log'}: Is a directory.")
    with pytest.raises(InputError, match=r"^Cannot write .*one\.log: Is a directory\.$"):
        Farm(tasks(tmp_path, "one"), "go on").spread(1, 1, lambda: "")


@posix
def test_a_signal_stops_all_of_them(tmp_path: Path) -> None:
    farm = Farm(tasks(tmp_path, "endless", "one"), "go on")
    begun = []

    def interrupt() -> None:
        for _ in range(600):
            if last_line(tmp_path / "endless.log") == "Working.":
                begun.append(farm.running())
                os.kill(os.getpid(), signal.SIGTERM)
                return
            time.sleep(0.1)

    waiter = threading.Thread(target=interrupt)
    waiter.start()
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Interrupted, match=r"^Stopped and saved; go on$"):
        farm.spread(1, 1, lambda: "")
    waiter.join()
    assert begun == [[farm.tasks[0]]]
    assert signal.getsignal(signal.SIGTERM) is before
    assert farm.failures == {}
    assert farm.states["one"] == WAITS
    assert "Interrupted." in (tmp_path / "endless.log").read_text()


def test_tasks_in_this_process(tmp_path: Path) -> None:
    farm = Farm(tasks(tmp_path, "one", "bad", "elsewhere", "stopped", "two"), "go on")
    with pytest.raises(
        Interrupted, match=r"^Stopped during stopped and saved, 2 of 5 left; go on$"
    ):
        farm.work()
    assert (tmp_path / "one").read_text().split()[0] == str(os.getpid())
    assert farm.failures == {"bad": "It cannot be done."}
    assert list(farm.states.values())[-1] == WAITS


def test_what_others_finish_meanwhile_is_left_alone(tmp_path: Path) -> None:
    farm = Farm(tasks(tmp_path, "bad"), "go on")
    (tmp_path / "bad").touch()
    farm.work()
    assert farm.states == {"bad": FINISHED}
    assert farm.failures == {}


def test_an_error_of_the_farm_itself_is_raised(tmp_path: Path) -> None:
    """As where a result turns out to be another version's."""

    class Refused(Small):
        looks = 0

        def is_finished(self) -> bool:
            type(self).looks += 1
            if self.looks > 1:
                raise InputError("Another version wrote it.")
            return False

    farm = Farm([Refused(tmp_path, "one")], "go on")
    with pytest.raises(InputError, match=r"^Another version wrote it\.$"):
        farm.spread(1, 1, lambda: "")


def test_workers_side_by_side_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("LOCAL_RANK", "NSA_PROCESSES", "OMP_NUM_THREADS")
    found = worker_environment(1, 2)
    assert [found[name] for name in names] == ["1", "2", "2"]
    assert worker_environment(0, 9)["OMP_NUM_THREADS"] == "1"
    monkeypatch.setenv("LOCAL_RANK", "5")  # as torchrun does
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    found = worker_environment(1, 2)
    assert [found[name] for name in names] == ["5", "2", "3"]
    assert found["PATH"] == os.environ["PATH"]


def test_a_log_without_lines(tmp_path: Path) -> None:
    assert last_line(tmp_path / "none.log") == ""
    (tmp_path / "empty.log").touch()
    assert last_line(tmp_path / "empty.log") == ""
    (tmp_path / "long.log").write_text("x" * 5000 + "\nthe end\n")
    assert last_line(tmp_path / "long.log") == "the end"
