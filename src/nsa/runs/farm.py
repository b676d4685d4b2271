"""Named tasks, done by this process or by worker processes, so many at once on every device.

Whoever has tasks says what they are, and what a person sees while they run; the farm says where and
when each of them runs. A worker does one task after the other, so that it loads the package once;
if a task ends its worker, as when memory runs out, the next task gets a new one.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from rich.console import RenderableType

from nsa.errors import InputError
from nsa.system.console import LiveView, console, log_to_console
from nsa.system.cores import PROCESSES, usable_cores
from nsa.system.device import choose_device, keep_freed_memory, use_own_gpu
from nsa.system.interrupt import Interrupted

_log = logging.getLogger("nsa")

WAITS, RUNS, FINISHED, FAILED = "waits", "runs", "is finished", "failed"
_ELSEWHERE = "is in the hands of another process"
_SECONDS_BETWEEN_LOOKS = 0.5
_INTERRUPTED = 130


class Task(Protocol):
    """A piece of work. It is pickled on its way to a worker, so it holds plain values."""

    @property
    def name(self) -> str:
        """What a reader calls it; no other task of a farm has the same."""

    @property
    def log(self) -> Path:
        """What it prints in a worker is appended to this file."""

    def is_finished(self) -> bool:
        """Whether there is nothing left to do."""

    def run(self) -> None:
        """Do it, or continue it; left unfinished where another process is at it.

        Raises:
            InputError: it cannot be done.
            Interrupted: a signal stopped it; its state is saved.
        """


class Farm:
    """Does all tasks that are not finished; one that fails stops no other.

    Args:
        tasks: in the order in which they begin.
        further: how to continue after a signal, the end of a sentence.

    Attributes:
        states: of every task, by name: :data:`WAITS`, :data:`RUNS`, :data:`FINISHED`,
            :data:`FAILED`, or that another process has it.
        failures: why the failed ones did, by name.
    """

    def __init__(self, tasks: Sequence[Task], further: str) -> None:
        self.tasks, self._further = tasks, further
        self.states = {task.name: FINISHED if task.is_finished() else WAITS for task in tasks}
        self.failures: dict[str, str] = {}
        self._waiting = [task for task in tasks if self.states[task.name] == WAITS]
        self._workers: list[_Worker] = []
        self._stopping = False
        self._broken: Exception | None = None
        self._lock = threading.Lock()
        self._changed = threading.Event()

    def left(self) -> int:
        """How many tasks wait or run."""
        return sum(state in (WAITS, RUNS) for state in self.states.values())

    def running(self) -> list[Task]:
        """The tasks that run now."""
        return [task for task in self.tasks if self.states[task.name] == RUNS]

    def work(self) -> None:
        """Do the tasks in this process.

        Raises:
            Interrupted: a signal stopped a task; its state is saved.
        """
        use_own_gpu()
        while (task := self._take()) is not None:
            failure = None
            try:
                task.run()
            except InputError as error:
                failure = str(error)
                _log.warning("%s failed: %s", task.name, error)
            except Interrupted as stop:
                raise Interrupted(
                    f"Stopped during {task.name} and saved, {self.left()} of {len(self.tasks)} "
                    f"left; {self._further}."
                ) from stop
            self._put(task, failure)
            if self._waiting:
                _log.info("%d of %d left.", self.left(), len(self.tasks))

    def spread(self, at_once: int, devices: int, draw: Callable[[], RenderableType]) -> None:
        """Do the tasks in worker processes, and wait for all of them.

        Args:
            at_once: most workers side by side.
            devices: over how many they are spread, see :func:`count_devices`.
            draw: what a person at a terminal sees; elsewhere the log says what begins and ends.

        Raises:
            Interrupted: a signal came; it was passed on to every worker, and all have ended.
        """
        at_once = min(at_once, self.left())
        slots = [
            # A second Ctrl-C need not wait for them.
            threading.Thread(target=self._tend, args=(slot % devices, at_once), daemon=True)
            for slot in range(at_once)
        ]
        # Both, as in a training: a shell's background jobs begin with SIGINT ignored.
        previous = {
            number: signal.signal(number, signal.default_int_handler)
            for number in (signal.SIGINT, signal.SIGTERM)
        }
        told = dict(self.states)
        try:
            with LiveView(draw) as view:
                for slot in slots:
                    slot.start()
                while any(slot.is_alive() for slot in slots):
                    self._changed.wait(_SECONDS_BETWEEN_LOOKS)
                    self._changed.clear()
                    view.update()
                    self._tell(told)
        except BaseException as stop:
            self._stop()
            for slot in slots:
                slot.join()
            if isinstance(stop, KeyboardInterrupt):
                raise Interrupted(f"Stopped and saved; {self._further}.") from None
            raise
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)
        if self._broken is not None:
            raise self._broken

    def _tell(self, told: dict[str, str]) -> None:
        """Log what has begun or ended, where nobody sees a table."""
        for name, state in self.states.items():
            if told[name] != state and not console.is_terminal:
                _log.info("%s %s.", name, state)
            told[name] = state

    def _take(self) -> Task | None:
        """The next task, which others may have finished meanwhile; None where there is none."""
        while True:
            with self._lock:
                if not self._waiting:
                    return None
                task = self._waiting.pop(0)
            if not task.is_finished():
                self._note(task, RUNS)
                return task
            self._note(task, FINISHED)

    def _put(self, task: Task, failure: str | None) -> None:
        """Note how a task has ended."""
        if failure is not None:
            self.failures[task.name] = failure
            self._note(task, FAILED)
        else:
            self._note(task, FINISHED if task.is_finished() else _ELSEWHERE)

    def _note(self, task: Task, state: str) -> None:
        self.states[task.name] = state
        self._changed.set()

    def _tend(self, device: int, at_once: int) -> None:
        """Keep a worker busy, in a thread of its own."""
        try:
            worker: _Worker | None = None
            while (task := self._take()) is not None:
                worker = self._worker(worker, task, device, at_once)
                failure = worker.do(task) if worker is not None else None
                if self._stopping:
                    break
                self._put(task, failure)
            if worker is not None:
                worker.end()
        except Exception as error:  # for the thread that waits
            self._broken = error
            self._stop()

    def _worker(
        self, worker: _Worker | None, task: Task, device: int, at_once: int
    ) -> _Worker | None:
        """The worker of a slot, or a new one where it is gone; None once all are to stop."""
        with self._lock:
            if self._stopping or (worker is not None and not worker.gone):
                return worker
            if worker is not None:
                worker.end()
            worker = _Worker(task.log, worker_environment(device, at_once))
            self._workers.append(worker)
        return worker

    def _stop(self) -> None:
        with self._lock:
            self._stopping = True
            self._waiting.clear()
            for worker in self._workers:
                worker.interrupt()


class _Worker:
    """A worker process, seen from the farm.

    Args:
        log: for what it prints before its first task.
        environment: all its variables.
    """

    def __init__(self, log: Path, environment: dict[str, str]) -> None:
        with log.open("ab") as file:
            self._process = subprocess.Popen(
                [sys.executable, "-c", "from nsa.runs import farm; raise SystemExit(farm.serve())"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=file, env=environment,
                start_new_session=True,  # Ctrl-C reaches us only, and we pass it on once
            )  # fmt: skip
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._orders, self._replies = self._process.stdin, self._process.stdout

    @property
    def gone(self) -> bool:
        return self._process.poll() is not None

    def do(self, task: Task) -> str | None:
        """Have a task done; why it failed, if it did."""
        reply = b""
        with contextlib.suppress(BrokenPipeError):  # it is gone
            self._orders.write(pickle.dumps(task))
            self._orders.flush()
            reply = self._replies.readline()
        failure = json.loads(reply) if reply else self._death(task.log)
        return None if failure is None else f"{failure} (all of it: {task.log})"

    def _death(self, log: Path) -> str:
        """Why it is gone."""
        status = self._process.wait()
        if status < 0:
            return f"the process was ended by {signal.Signals(-status).name}"
        return last_line(log) or "it said nothing"

    def interrupt(self) -> None:
        if not self.gone:
            self._process.send_signal(signal.SIGINT)

    def end(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._orders.close()
        self._replies.close()
        self._process.wait()


def count_devices(device: str) -> int:
    """Devices that workers are spread over: the GPUs of this machine, or one CPU.

    Raises:
        InputError: there is no such device.
    """
    # Under torchrun every rank already has a device of its own.
    on_gpu = choose_device(device).type == "cuda"
    return torch.cuda.device_count() if on_gpu and "LOCAL_RANK" not in os.environ else 1


def worker_environment(device: int, at_once: int) -> dict[str, str]:
    """The variables of a worker that has ``device`` among ``at_once`` workers side by side."""
    environment = {**os.environ, PROCESSES: str(at_once)}
    environment.setdefault("LOCAL_RANK", str(device))
    # They share the cores; more threads than cores only slow each other down.
    environment.setdefault("OMP_NUM_THREADS", str(max(1, usable_cores() // at_once)))
    return environment


def last_line(path: Path) -> str:
    """The last line of a log file, without reading the rest of a long one; empty without one."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 4096))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    return text.splitlines()[-1] if text else ""


def serve() -> int:
    """Do the tasks that come by standard input; how each ended goes to standard output.

    Returns:
        The exit status of the process.
    """
    orders, replies = os.fdopen(os.dup(0), "rb"), os.dup(1)
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    try:
        use_own_gpu()
        keep_freed_memory()
        log_to_console()
        while (task := _next(orders)) is not None:
            failure = _attempt(task)
            torch.cuda.empty_cache()  # for the workers beside this one
            with contextlib.suppress(BrokenPipeError):  # the farm is gone, and no task will follow
                os.write(replies, json.dumps(failure).encode() + b"\n")
    except (Interrupted, KeyboardInterrupt) as stop:
        console.print(str(stop) or "Interrupted.", markup=False, soft_wrap=True)
        return _INTERRUPTED
    return 0


def _next(orders: Any) -> Task | None:
    try:
        task: Task = pickle.load(orders)
    except EOFError:
        return None
    return task


def _attempt(task: Task) -> str | None:
    """Do a task, all that it prints into its log; why it failed, if it did."""
    with task.log.open("ab") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    try:
        task.run()
    except InputError as error:
        console.print(f"Error: {error}", markup=False, soft_wrap=True)
        return str(error)
    finally:
        sys.stdout.flush()
    return None
