"""Workers of this machine: every job runs once, one that fails stops no other."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from small_jobs import Small, small

from nsa.jobs.attempt import in_short, last_line
from nsa.jobs.execute import execute
from nsa.jobs.local import LocalExecutor, worker_environment

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no POSIX signals")


@pytest.fixture(autouse=True)
def one_core(monkeypatch: pytest.MonkeyPatch) -> None:
    """That a worker has."""
    for name in ("LOCAL_RANK", "NSA_PROCESSES", "OMP_NUM_THREADS", "PYTHONUNBUFFERED"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("nsa.jobs.local.usable_cores", lambda: 1)


def until(text: str, log: Path) -> None:
    """Wait for a line at the end of a log."""
    for _ in range(600):
        if last_line(log) == text:
            return
        time.sleep(0.1)
    raise AssertionError(f"{log} does not say {text!r}")


def until_gone(process: int) -> None:
    for _ in range(600):
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    raise AssertionError(f"process {process} is still there")


def test_workers_do_every_job_whatever_becomes_of_the_others(tmp_path: Path) -> None:
    (tmp_path / "bar.log").mkdir()
    names = ("old", "one", "bad", "bar", "two", "lost", "broken", "three", "killed", "four", "left")
    (tmp_path / "old").write_text("as it was")
    failures = execute(small(tmp_path, *names), LocalExecutor(2, 1), lambda _: "", "go on")
    assert (tmp_path / "old").read_text() == "as it was"
    assert not (tmp_path / "old.log").exists()
    said = {name: (tmp_path / name).read_text().split() for name in ("one", "two", "three", "four")}
    assert said["one"] == said["two"]  # one worker, which lives on after a refusal
    assert len({values[0] for values in said.values()}) == 3
    assert str(os.getpid()) not in {values[0] for values in said.values()}
    assert all(values[2:] == ["0", "1", "1", "1"] for values in said.values())
    assert str(os.getsid(0)) not in {values[1] for values in said.values()}  # Ctrl-C is ours alone
    reasons = {
        "bad": "It cannot be done.",
        "bar": f"Cannot write {tmp_path / 'bar.log'}: Is a directory.",
        "lost": f"It ended without a result in {tmp_path}.",
        "broken": "ValueError: no such luck",
        "killed": "the process was ended by SIGKILL",
        "left": "Below Python.",
    }
    assert failures == {
        name: f"{reason} (all of it: {tmp_path / name}.log)" for name, reason in reasons.items()
    }
    assert set((tmp_path / "one.log").read_text().splitlines()) == {"one begins.", "Below Python."}
    assert last_line(tmp_path / "bad.log") == "Error: It cannot be done."
    assert "Traceback" in (tmp_path / "broken.log").read_text()


def test_a_log_has_no_colours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where what the worker inherits says that there is a terminal."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    jobs = small(tmp_path, "warned")
    assert execute(jobs, LocalExecutor(1, 1), lambda _: "", "go on") == {}
    text = jobs[0].log.read_text()
    assert "It is yellow." in text
    assert "in italics" in text
    assert "\x1b" not in text


def test_a_long_reason_in_short(tmp_path: Path) -> None:
    log = tmp_path / "one.log"
    reason = (
        f"2 of 2 images cannot be used: {'a/b.png, ' * 100}. All are listed. (all of it: {log})"
    )
    assert len(in_short(reason, log)) <= 240
    log.touch()
    assert in_short(reason, log).endswith(f"a/b.png, ... (all of it: {log})")
    assert in_short(f"It is bad. (all of it: {log})", log) == f"It is bad (all of it: {log})"
    assert in_short("v1.2: no x.", tmp_path / "none.log") == "v1.2: no x"


def test_stopping_ends_all_that_run(tmp_path: Path) -> None:
    """Also one whose process has only just begun; jobs in a shell's background ignore SIGINT."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with LocalExecutor(1, 2) as executor:
            assert executor.room == 2
            first, [early, late] = Small(tmp_path, "endless"), small(tmp_path, "one", "two")
            futures = [executor.start(first)]
            until("Working.", first.log)
            futures.append(executor.start(early))
            assert executor.room == 0
            executor.stop()
            assert [type(future.exception()) for future in futures] == [KeyboardInterrupt] * 2
            assert executor.room == 2
            assert executor.start(late).result() is None
            assert executor.start(Small(tmp_path, "stopped")).exception().args == ("Saved.",)
    finally:
        signal.signal(signal.SIGINT, before)
    assert last_line(first.log) == "Interrupted."
    assert not early.result.exists()


def test_a_worker_that_dies_without_a_job_is_succeeded(tmp_path: Path) -> None:
    first, second = small(tmp_path, "one", "two")
    with LocalExecutor(1, 1) as executor:
        assert executor.start(first).result() is None
        worker = int(first.result.read_text().split()[0])
        os.kill(worker, signal.SIGKILL)
        assert executor.room == 1
        until_gone(worker)
        assert executor.start(second).result() is None


SCRIPT = """
from pathlib import Path
from small_jobs import small
from nsa.jobs.execute import execute
from nsa.jobs.local import LocalExecutor

print("The script runs.", flush=True)
folder = Path({folder!r})
failures = execute(small(folder, *{names!r}), LocalExecutor(1, 2), lambda _: "", "go on")
"""


def script(folder: Path, *names: str) -> subprocess.Popen[str]:
    """A user's script that does jobs, without a guard for its main part."""
    path = folder / "script.py"
    path.write_text(SCRIPT.format(folder=str(folder), names=names))
    paths = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [sys.executable, path], env={**os.environ, "PYTHONPATH": paths}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def test_a_script_without_a_guard_runs_once(tmp_path: Path) -> None:
    process = script(tmp_path, "one", "two")
    said, errors = process.communicate(timeout=120)
    assert (process.returncode, said, errors) == (0, "The script runs.\n", "")
    assert (tmp_path / "two").is_file()


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_standard_streams_that_are_closed(closed: str, tmp_path: Path) -> None:
    path = tmp_path / "script.py"
    first = "from nsa.system.streams import open_closed\n\nopen_closed()\n"  # as the commands do
    path.write_text(first + SCRIPT.format(folder=str(tmp_path), names=("one", "bad")))
    paths = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    subprocess.run(
        ["bash", "-c", f'exec "$0" "$1" {closed}', sys.executable, path],
        env={**os.environ, "PYTHONPATH": paths}, stdout=subprocess.DEVNULL, check=True, timeout=120,
    )  # fmt: skip
    assert (tmp_path / "one").is_file()
    assert last_line(tmp_path / "bad.log") == "Error: It cannot be done."
    for log in (tmp_path / "one.log", tmp_path / "bad.log"):
        assert "Below Python." in log.read_text().splitlines()


def test_a_file_in_the_place_of_a_closed_stream_is_left_alone(tmp_path: Path) -> None:
    """What the driver opened first has the number of its standard output."""
    path = tmp_path / "script.py"
    names = ("one", "two", "three", "bad")  # more than workers, which change logs
    first = f"taken = open({str(tmp_path / 'taken')!r}, 'w')\nassert taken.fileno() == 1\n"
    last = "\ntaken.write(' '.join(failures))\n"
    path.write_text(first + SCRIPT.format(folder=str(tmp_path), names=names) + last)
    paths = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    subprocess.run(
        ["bash", "-c", 'exec "$0" "$1" >&-', sys.executable, path],
        env={**os.environ, "PYTHONPATH": paths}, check=True, timeout=120,
    )  # fmt: skip
    assert (tmp_path / "one").is_file()
    for name in names:
        lines = (tmp_path / f"{name}.log").read_text().splitlines()
        assert {f"{name} begins.", "Below Python."} <= set(lines)
    assert last_line(tmp_path / "bad.log") == "Error: It cannot be done."
    assert (tmp_path / "taken").read_text() == "bad"  # and no worker was lost


def test_workers_end_with_a_driver_that_is_killed(tmp_path: Path) -> None:
    """The one with a job as a signal would end it, and the one without, too."""
    process = script(tmp_path, "one", "endless")
    until("Working.", tmp_path / "endless.log")
    while not (tmp_path / "one").is_file():
        time.sleep(0.05)
    process.kill()
    process.communicate(timeout=60)  # until nobody has its streams any more
    assert last_line(tmp_path / "endless.log") == "Interrupted."
    idle = int((tmp_path / "one").read_text().split()[0])
    until_gone(idle)


def test_a_second_ctrl_c_does_not_wait_for_what_is_saved(tmp_path: Path) -> None:
    process = script(tmp_path, "stubborn")
    until("Working.", tmp_path / "stubborn.log")
    process.send_signal(signal.SIGINT)
    until("Saving.", tmp_path / "stubborn.log")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "Interrupted: Interrupted, 1 of 1 left; " in errors  # by its type, since nobody took it
    assert last_line(tmp_path / "stubborn.log") == "Interrupted."


def test_workers_side_by_side_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nsa.jobs.local.usable_cores", lambda: 4)
    assert worker_environment(1, 2) == {
        "LOCAL_RANK": "1",
        "NSA_PROCESSES": "2",
        "OMP_NUM_THREADS": "2",
    }
    assert worker_environment(0, 9)["OMP_NUM_THREADS"] == "1"
    monkeypatch.setenv("LOCAL_RANK", "5")  # as torchrun does
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert worker_environment(1, 2) == {"NSA_PROCESSES": "2"}


def test_a_log_without_lines(tmp_path: Path) -> None:
    assert last_line(tmp_path / "none.log") == ""
    (tmp_path / "empty.log").touch()
    assert last_line(tmp_path / "empty.log") == ""
    (tmp_path / "long.log").write_text("x" * 5000 + "\nthe end\n")
    assert last_line(tmp_path / "long.log") == "the end"
