"""Runs stages: side by side within a group, each with a limit, a log and a line of how it went."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages import Group, Stage

HERE = Path(__file__).parent
_SECONDS_TO_TELL = 10.0  # that a stopped stage has to write what it knows
_SECONDS_BETWEEN_ARCHIVES = 10.0
_KEPT = (".json", ".log", ".md")
_LINES_SHOWN = 15


@dataclass
class Running:
    """A stage at work."""

    stage: Stage
    process: subprocess.Popen[bytes]
    log: Path
    began: float
    limit: float
    stopped: float | None = None  # when it was told to stop


class Runner:
    """Runs the stages of one call; a failed one, or one that takes too long, stops no other.

    Args:
        folder: for logs, figures and ``stages.json``.
        environment: of every stage, beyond that of this process and its own.
        keep: called after every stage and now and then, to save what there is.
        deadline: seconds from now on after which nothing runs any more.
        check: called time and again; what it raises stops every stage.
    """

    def __init__(
        self,
        folder: Path,
        environment: dict[str, str],
        keep: Callable[[], None],
        deadline: float,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self._folder, self._environment, self._keep = folder, environment, keep
        self._check = check
        self._end = time.monotonic() + deadline
        self._results: list[dict[str, Any]] = []
        self._running: list[Running] = []
        self._kept = 0.0

    def run(self, groups: tuple[Group, ...]) -> bool:
        """Run them all; whether every one passed."""
        try:
            for group in groups:
                for stage in group:
                    self._start(stage)
                while self._running:
                    self._check()
                    time.sleep(0.05)
                    for running in list(self._running):
                        self._look_after(running)
                    if time.monotonic() - self._kept > _SECONDS_BETWEEN_ARCHIVES:
                        self._save()
        finally:
            for running in self._running:  # only when this process itself is being stopped
                _signal(running.process, signal.SIGKILL)
            for running in self._running:
                running.process.wait()
                self._note(running.stage.name, "stopped from outside", running.began, running.log)
            self._running.clear()
        return all(result["result"] == "passed" for result in self._results)

    def _start(self, stage: Stage) -> None:
        now = time.monotonic()
        limit = min(stage.limit, self._end - now)
        if stage.needs_data and "NSA_DATA_ROOT" not in self._environment:
            self._note(stage.name, "left out: no data root was named", now, None)
            return
        if limit <= 0:
            self._note(stage.name, "left out: no time was left", now, None)
            return
        log = self._folder / f"{stage.name.replace(' ', '_')}.log"
        program, *arguments = stage.program
        if stage.figures:
            arguments.insert(0, str(self._folder))
        command = [sys.executable, str(HERE / program), *arguments]
        environment = {**os.environ, **stage.environment, **self._environment}
        with log.open("w") as file:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT,
                env=environment, start_new_session=True,
            )  # fmt: skip
        self._running.append(Running(stage, process, log, now, limit))

    def _look_after(self, running: Running) -> None:
        status, now = running.process.poll(), time.monotonic()
        if status is None and running.stopped is None and now > running.began + running.limit:
            # As by Ctrl-C, which lets pytest tell what failed so far.
            _signal(running.process, signal.SIGINT)
            running.stopped = now
        elif status is None and running.stopped and now > running.stopped + _SECONDS_TO_TELL:
            _signal(running.process, signal.SIGKILL)
            status = running.process.wait()
        if status is None:
            return
        if running.stopped is not None:
            result = f"stopped after {running.limit:.0f} s"
        elif status == 0:
            result = "passed"
        else:
            result = f"failed ({status})"
        _signal(running.process, signal.SIGKILL)  # whatever it left behind
        self._running.remove(running)
        self._note(running.stage.name, result, running.began, running.log)

    def _note(self, name: str, result: str, began: float, log: Path | None) -> None:
        lines = log.read_text(errors="replace").splitlines() if log is not None else []
        lines = [line for line in lines if line.strip()]
        spent = time.monotonic() - began
        self._results.append(
            {"name": name, "result": result, "seconds": spent, "last": (lines or [""])[-1][:160]}
        )
        print(f"=== {name}: {result}, {spent:.0f} s", flush=True)
        if result != "passed":
            print("\n".join(f"    {line}" for line in lines[-_LINES_SHOWN:]), flush=True)
        self._save()

    def _save(self) -> None:
        replace_json(self._folder / "stages.json", self._results)
        self._keep()
        self._kept = time.monotonic()


def replace_json(path: Path, value: Any) -> None:
    """Write a file that is whole whenever it is read."""
    new = path.with_suffix(".new")
    new.write_text(json.dumps(value, indent=1))
    new.replace(path)


def archive(folder: Path, path: Path) -> None:
    """All logs, figures and reports below ``folder`` as one file, replaced at once."""
    new = path.with_name(f"{path.name}.new")
    with tarfile.open(new, "w:gz") as packed:
        for part in sorted(folder.rglob("*")):
            inside = part.relative_to(folder)
            if part.suffix in _KEPT and inside.parts[0] in ("first", "second", "report.md"):
                with contextlib.suppress(FileNotFoundError):  # a stage has just renamed it
                    packed.add(part, str(inside))
    new.replace(path)


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """To a stage and all that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)
