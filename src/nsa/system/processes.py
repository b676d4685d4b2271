"""Several Python processes on one machine, so many at once a device, each with a log file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from nsa.errors import InputError
from nsa.system.console import console, log_to_console
from nsa.system.cores import PROCESSES, usable_cores
from nsa.system.device import choose_device
from nsa.system.interrupt import Interrupted

_SECONDS_BETWEEN_LOOKS = 0.5
_INTERRUPTED = 130


@dataclass
class Worker:
    """A process that runs, has run, or waits for its turn.

    Attributes:
        name: for a reader.
        arguments: of the Python interpreter.
        log: file for what it prints.
        environment: variables in addition to our own.
        process: None before its turn.
    """

    name: str
    arguments: Sequence[str]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def status(self) -> int | None:
        """Exit status; None before the end."""
        return None if self.process is None else self.process.poll()

    def failure(self) -> str | None:
        """Why it ended in an error; None if it did not."""
        status = self.status
        if not status:
            return None
        lines = last_lines(self.log, 1)
        said = lines[-1].removeprefix("Error: ") if lines else "it said nothing"
        if status < 0:
            said = f"the process was ended by {signal.Signals(-status).name}"
        return f"{said} (all of it: {self.log})"


def count_devices(device: str) -> int:
    """Devices that workers are spread over: the GPUs of this machine, or one CPU.

    Raises:
        InputError: there is no such device.
    """
    # Under torchrun every rank already has a device of its own.
    on_gpu = choose_device(device).type == "cuda"
    return torch.cuda.device_count() if on_gpu and "LOCAL_RANK" not in os.environ else 1


def run_workers(
    workers: Sequence[Worker], at_once: int, devices: int, watch: Callable[[], None]
) -> None:
    """Start the workers in order, ``at_once`` of them at a time, and wait for all.

    Args:
        devices: over how many they are spread, by the variable ``LOCAL_RANK``, see
            :func:`nsa.system.device.use_own_gpu`.
        watch: called about twice a second.

    Raises:
        Interrupted: a signal came; it was passed on to every worker, and all have ended.
    """
    at_once = min(at_once, len(workers))
    slots: list[Worker | None] = [None] * at_once
    waiting = list(workers)
    # Both, as in a training: a shell's background jobs begin with SIGINT ignored.
    previous = {
        number: signal.signal(number, signal.default_int_handler)
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        while waiting or any(worker.running for worker in workers):
            for index, worker in enumerate(slots):
                if waiting and (worker is None or not worker.running):
                    slots[index] = waiting.pop(0)
                    _start(slots[index], index % devices, at_once)
            watch()
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        watch()
    except KeyboardInterrupt:
        started = [worker.process for worker in workers if worker.process is not None]
        for process in started:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
        for process in started:
            process.wait()
        raise Interrupted("Stopped and saved.") from None
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _start(worker: Worker | None, device: int, at_once: int) -> None:
    assert worker is not None
    environment = {**os.environ, **worker.environment}
    environment.setdefault("LOCAL_RANK", str(device))
    # Side by side they share the cores; more threads than cores only slow each other down.
    environment[PROCESSES] = str(at_once)
    environment.setdefault("OMP_NUM_THREADS", str(max(1, usable_cores() // at_once)))
    with worker.log.open("wb") as file:
        worker.process = subprocess.Popen(
            [sys.executable, *worker.arguments],
            stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=environment,
            start_new_session=True,  # Ctrl-C reaches us only, and we pass it on once
        )  # fmt: skip


def last_lines(path: Path, count: int) -> list[str]:
    """The last lines of a log file, without reading the rest of a long one."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 4096))
            text = file.read().decode(errors="replace")
    except OSError:
        return []
    return text.splitlines()[-count:]


def exit_status(work: Callable[[], None]) -> int:
    """Do a worker's work; what stops it becomes the last line of its log, and its exit status."""
    log_to_console()
    try:
        work()
    except InputError as error:
        console.print(f"Error: {error}", markup=False, soft_wrap=True)
        return 2
    except (Interrupted, KeyboardInterrupt) as stop:
        console.print(str(stop) or "Interrupted.", markup=False, soft_wrap=True)
        return _INTERRUPTED
    return 0
