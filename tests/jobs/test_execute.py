"""Many jobs in order, whatever executor they have: states, failures, signals, and their cost."""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue

import pytest
from rich.console import Console
from small_jobs import Small, small

from nsa.errors import InputError
from nsa.jobs.execute import FAILED, FINISHED, LEFT_OUT, QUEUED, RUNS, WAITS, execute
from nsa.jobs.inline import InlineExecutor
from nsa.jobs.job import Needs
from nsa.system.interrupt import Interrupted

posix = pytest.mark.skipif(sys.platform == "win32", reason="no POSIX signals")


def nothing(_: Mapping[str, str]) -> str:
    return ""


class Later:
    """An executor whose jobs end by the hand of a test, or at once where there is none.

    Attributes:
        started: in order; what ``answer`` says ends them.
        stops: how often it was stopped.
    """

    def __init__(self, room: int = 1, answer: dict[str, str | BaseException] | None = None) -> None:
        self.room, self.stops, self.answer, self.queues = room, 0, answer, False
        self.started: list[str] = []

    def __enter__(self) -> Later:
        return self

    def __exit__(self, *_: object) -> None:
        self.room = 0

    def start(self, job: Small) -> Future[str | None]:
        self.started.append(job.name)
        future: Future[str | None] = Future()
        if self.answer is None:
            return future
        found = self.answer.get(job.name)
        if isinstance(found, BaseException):
            future.set_exception(found)
        else:
            future.set_result(found)
        return future

    def stop(self) -> None:
        self.stops += 1


def test_what_is_left_is_done_in_order(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nsa.jobs.execute._log.propagate", True)
    caplog.set_level("INFO", "nsa")
    (tmp_path / "two").touch()
    answers = {
        "three": "It is no good.",
        "four": Interrupted("Saved."),
        "five": KeyboardInterrupt(),
    }
    executor = Later(2, answers)
    jobs = small(tmp_path, "one", "two", "three", "four", "five")
    assert execute(jobs, executor, nothing, "go on") == {
        "three": "It is no good.",
        "four": "Saved.",  # by a signal that came to its worker alone
        "five": "It was interrupted.",
    }
    assert executor.started == ["one", "three", "four", "five"]
    for line in ("one runs.", "one is finished; ", "three failed; ", "0 of 5 left."):
        assert line in caplog.text
    assert "two" not in caplog.text


@pytest.mark.parametrize("queues", [False, True])
def test_a_terminal_shows_the_states(
    queues: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = io.StringIO()
    console = Console(file=shown, force_terminal=True, width=200)
    monkeypatch.setattr("nsa.system.console.console", console)
    monkeypatch.setattr("nsa.jobs.execute.console", console)
    seen: list[dict[str, str]] = []

    def draw(states: Mapping[str, str]) -> str:
        seen.append(dict(states))
        return " ".join(states.values())

    executor = Later(1)
    executor.queues = queues
    futures: SimpleQueue[Future[str | None]] = SimpleQueue()
    start = executor.start

    def keep(job: Small) -> Future[str | None]:
        executor.room -= 1
        future = start(job)
        futures.put(future)
        return future

    def end() -> None:
        first = futures.get(timeout=30)
        while not seen:
            time.sleep(0.02)
        first.set_running_or_notify_cancel()
        while seen[-1]["one"] != RUNS:
            time.sleep(0.02)
        executor.room = 1
        first.set_result("No.")
        futures.get(timeout=30).set_result(None)

    monkeypatch.setattr(executor, "start", keep)
    hand = threading.Thread(target=end)
    hand.start()
    execute(small(tmp_path, "one", "two"), executor, draw, "go on")
    hand.join()
    assert seen[0] == {"one": QUEUED if queues else RUNS, "two": WAITS}
    assert seen[-1] == {"one": FAILED, "two": FINISHED}
    assert f"{FAILED} {FINISHED}" in shown.getvalue()


@posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_all(
    number: signal.Signals,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("nsa.jobs.execute._log.propagate", True)
    caplog.set_level("INFO", "nsa")
    executor = Later(2)
    before = signal.getsignal(number)
    if before is signal.SIG_IGN:
        pytest.skip("it is ignored, as nohup has it, and stays so")
    threading.Timer(0.2, os.kill, (os.getpid(), number)).start()
    with pytest.raises(Interrupted, match=r"^Stopped and saved, 3 of 3 left; go on$"):
        execute(small(tmp_path, "one", "two", "three"), executor, nothing, "go on")
    assert "Stopping; every job saves first (Ctrl-C again does not wait)." in caplog.text
    assert executor.stops == 1
    assert signal.getsignal(number) is before


def test_jobs_in_this_process(tmp_path: Path) -> None:
    jobs = small(tmp_path, "one", "bad", "stopped", "two")
    with pytest.raises(Interrupted, match=r"^Stopped and saved, 2 of 4 left; go on$"):
        execute(jobs, InlineExecutor(), nothing, "go on")
    assert (tmp_path / "one").read_text().split()[0] == str(os.getpid())
    assert not (tmp_path / "two").exists()
    bad = jobs[1:2]
    assert execute(bad, InlineExecutor(), nothing, "go on") == {"bad": "It cannot be done."}
    with pytest.raises(ValueError, match="no such luck"):
        execute(small(tmp_path, "broken"), InlineExecutor(), nothing, "go on")


@posix
def test_a_job_in_this_process_is_stopped_at_once(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGTERM)).start()
    start = time.monotonic()
    with pytest.raises(Interrupted, match=r"^Stopped and saved, 1 of 1 left; go on$"):
        execute(small(tmp_path, "endless"), InlineExecutor(), nothing, "go on")
    assert time.monotonic() - start < 60
    assert signal.getsignal(signal.SIGTERM) is before


def test_in_another_thread(tmp_path: Path) -> None:
    """Where no signal can be handled."""
    jobs = small(tmp_path, "one")
    thread = threading.Thread(target=execute, args=(jobs, InlineExecutor(), nothing, ""))
    thread.start()
    thread.join()
    assert jobs[0].is_finished()


def test_what_others_finish_meanwhile_is_left_alone(tmp_path: Path) -> None:
    class Finishes(Small):
        def run(self) -> None:
            (self.folder / "bad").touch()
            super().run()

    jobs = [Finishes(tmp_path, "one"), *small(tmp_path, "bad")]
    assert execute(jobs, InlineExecutor(), nothing, "") == {}


def test_an_error_of_looking_is_raised(tmp_path: Path) -> None:
    """As where a result turns out to be another version's."""

    class Refused(Small):
        looks = 0

        def is_finished(self) -> bool:
            type(self).looks += 1
            if self.looks > 1:
                raise InputError("Another version wrote it.")
            return False

    with pytest.raises(InputError, match=r"^Another version wrote it\.$"):
        execute([Refused(tmp_path, "one")], Later(), nothing, "go on")


class Overlapping(Later):
    """Its jobs end when a later one begins, as ``ends`` says."""

    def __init__(self, ends: dict[str, dict[str, str | None]]) -> None:
        super().__init__(9)
        self.ends, self.futures = ends, dict[str, Future[str | None]]()

    def start(self, job: Small) -> Future[str | None]:
        future = self.futures[job.name] = super().start(job)
        for name, failure in self.ends.get(job.name, {}).items():
            self.futures[name].set_result(failure)
        return future


PARTS = {"a1": "a", "a2": "a", "a3": "a"}


def test_a_job_begins_when_its_parts_have_ended(tmp_path: Path) -> None:
    jobs = small(tmp_path, "a1", "a2", "a3", "a", "b")
    jobs[1].result.touch()
    executor = Overlapping({"b": {"a3": None, "a1": None}, "a": {"b": None, "a": None}})
    assert execute(jobs, executor, nothing, "go on", parts=PARTS) == {}
    assert executor.started == ["a1", "a3", "b", "a"]
    executor = Overlapping({"a": {"a": None}})
    for job in jobs[:3]:
        job.result.touch()
    assert execute(jobs[:4], executor, nothing, "go on", parts=PARTS) == {}
    assert executor.started == ["a"]


def test_a_part_that_fails_is_why_its_job_does(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nsa.jobs.execute._log.propagate", True)
    caplog.set_level("INFO", "nsa")
    executor = Overlapping({"a2": {"a1": "It is no good."}, "b": {"a2": "Nor is this.", "b": None}})
    jobs = small(tmp_path, "a1", "a2", "a3", "a", "b")
    found = execute(jobs, executor, nothing, "go on", parts=PARTS)
    assert found == {"a": "It is no good."}
    assert executor.started == ["a1", "a2", "b"]  # what runs goes on
    said = dict.fromkeys(caplog.messages)  # twice each, if a command ran in this process before
    assert [line for line in said if "runs" not in line] == [
        f"a1 {FAILED}; 4 of 5 left.",
        f"a3 {LEFT_OUT}; 3 of 5 left.",
        f"a2 {FAILED}; 2 of 5 left.",
        f"a {FAILED}; 1 of 5 left.",
        f"b {FINISHED}; 0 of 5 left.",
    ]


@dataclass(frozen=True)
class Light:
    """A job that is nothing but its name."""

    name: str
    folder: Path = Path()
    log: Path = Path()
    needs: Needs = field(default_factory=Needs)

    def is_finished(self) -> bool:
        return False

    def run(self) -> None: ...


def test_a_job_costs_the_same_among_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a person looks on, and the executor takes any number at once."""
    monkeypatch.setattr("nsa.jobs.execute._log.info", lambda *_: None)

    def seconds(count: int) -> float:
        jobs = [Light(str(number)) for number in range(count)]
        executor = Later(1_000_000, {})
        start = time.process_time()
        assert execute(jobs, executor, nothing, "") == {}
        assert len(executor.started) == count
        return time.process_time() - start

    seconds(100)
    assert seconds(50_000) < 30 * max(seconds(5_000), 0.02)
