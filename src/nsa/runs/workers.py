"""The worker processes of a farm: each does one task after the other, with a log file a task."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import signal
import subprocess
import sys
import threading
from pathlib import Path
from queue import SimpleQueue
from typing import Any, BinaryIO, Protocol

import torch

from nsa.errors import InputError
from nsa.system.console import console, log_to_console
from nsa.system.cores import PROCESSES, usable_cores
from nsa.system.device import choose_device, keep_freed_memory, use_own_gpu
from nsa.system.interrupt import Interrupted
from nsa.system.streams import outlast_readers

_INTERRUPTED = 130
_SERVE = "from nsa.runs.workers import serve; raise SystemExit(serve())"


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


class Worker:
    """A worker process, seen from the farm.

    Args:
        log: for what it prints before its first task.
        environment: all its variables.

    Raises:
        InputError: the log cannot be written.
    """

    def __init__(self, log: Path, environment: dict[str, str]) -> None:
        with _appended(log) as file:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _SERVE],
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
        # It may begin ignored, and is how the farm ends us.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        outlast_readers()
        use_own_gpu()
        keep_freed_memory()
        log_to_console()
        tasks: SimpleQueue[Task | None] = SimpleQueue()
        busy = threading.Event()
        threading.Thread(target=_receive, args=(orders, tasks, busy), daemon=True).start()
        while (task := tasks.get()) is not None:
            failure = _attempt(task)
            torch.cuda.empty_cache()  # for the workers beside this one
            busy.clear()
            with contextlib.suppress(BrokenPipeError):  # the farm is gone, and no task will follow
                os.write(replies, json.dumps(failure).encode() + b"\n")
    except (Interrupted, KeyboardInterrupt) as stop:
        console.print(str(stop) or "Interrupted.", markup=False, soft_wrap=True)
        return _INTERRUPTED
    return 0


def _receive(orders: Any, tasks: SimpleQueue[Task | None], busy: threading.Event) -> None:
    """Pass on the tasks that come; where the farm has died, end the one that is done as it would.

    A farm that lives waits for the reply to a task before it closes the pipe.
    """
    with contextlib.suppress(EOFError):
        while True:
            task: Task = pickle.load(orders)
            busy.set()
            tasks.put(task)
    if busy.is_set():
        os.kill(os.getpid(), signal.SIGINT)
    tasks.put(None)


def _appended(log: Path) -> BinaryIO:
    try:
        return log.open("ab")
    except OSError as error:
        raise InputError(f"Cannot write {log}: {error.strerror or error}.") from error


def _attempt(task: Task) -> str | None:
    """Do a task, all that it prints into its log; why it failed, if it did."""
    failure = None
    try:
        with _appended(task.log) as file:
            for stream in (1, 2):
                os.dup2(file.fileno(), stream)
        task.run()
    except InputError as error:
        failure = str(error)
    finally:
        sys.stdout.flush()  # the reason of a failure is the last line
    if failure is not None:
        console.print(f"Error: {failure}", markup=False, soft_wrap=True)
    return failure
