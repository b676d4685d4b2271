"""Several worker processes on one machine, watched by a live table.

Each worker is one rank more; they meet in the results folder only, so losing one costs nothing but
its current job, which anyone continues.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from nsa.device import choose_device
from nsa.errors import InputError
from nsa.interrupt import Interrupted
from nsa.reproduce.job import Request
from nsa.reproduce.papers import find_paper
from nsa.reproduce.runner import Outcome, Rank, work

_SECONDS_BETWEEN_LOOKS = 0.5
_INTERRUPTED = 130


@dataclass(frozen=True)
class Worker:
    """A worker process and the file with its output."""

    process: subprocess.Popen[bytes]
    log: Path


def run_workers(
    request: Request, rank: Rank, per_device: int, watch: Callable[[list[Worker]], None]
) -> Outcome:
    """Start ``per_device`` workers a device and wait for them.

    Args:
        watch: called about twice a second.

    Raises:
        InputError: a worker ended in an error.
        Interrupted: a signal came; every worker has saved its training.
    """
    on_gpu = choose_device(request.device or "auto").type == "cuda"
    # Under torchrun every rank already has a device of its own.
    devices = torch.cuda.device_count() if on_gpu and "LOCAL_RANK" not in os.environ else 1
    count = per_device * devices
    workers = [_start(request, rank, index, count, devices) for index in range(count)]
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        while any(worker.process.poll() is None for worker in workers):
            watch(workers)
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        watch(workers)
    except KeyboardInterrupt:
        for worker in workers:
            if worker.process.poll() is None:
                worker.process.send_signal(signal.SIGINT)
        for worker in workers:
            worker.process.wait()
        raise Interrupted("Stopped and saved; the same command continues.") from None
    finally:
        signal.signal(signal.SIGTERM, previous)
    return _outcome(workers)


def _start(request: Request, rank: Rank, index: int, count: int, devices: int) -> Worker:
    environment = {
        **os.environ,
        "RANK": str(rank.number * count + index),
        "WORLD_SIZE": str(rank.count * count),
    }
    environment.setdefault("LOCAL_RANK", str(index % devices))
    # Side by side they share the cores; more threads than cores only slow each other down.
    environment.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // count)))
    log = Path(request.output) / "logs" / f"rank{rank.number}-worker{index}.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "nsa.reproduce.pool", request.to_json()],
            stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=environment,
            start_new_session=True,  # Ctrl-C reaches us only, and we pass it on once
        )  # fmt: skip
    return Worker(process, log)


def _outcome(workers: list[Worker]) -> Outcome:
    outcome = Outcome()
    for worker in workers:
        lines = last_lines(worker.log, 1)
        if worker.process.returncode:
            said = lines[-1] if lines else "it said nothing"
            outcome.failed[worker.log.stem] = f"{said} (all of it: {worker.log})"
    return outcome


def last_lines(path: Path, count: int) -> list[str]:
    """The last lines of a log file, without reading the rest of a long one."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 4096))
            text = file.read().decode(errors="replace")
    except OSError:
        return []
    return text.splitlines()[-count:]


def main(text: str) -> int:
    """A worker: do the jobs of a request; returns the exit status."""
    from nsa.console import console, log_to_console

    log_to_console()
    try:
        request = Request.from_json(text)
        jobs = find_paper(request.paper).plan(request)
        outcome = work(jobs, request, Rank.from_environment())
    except InputError as error:
        console.print(f"Error: {error}", markup=False, soft_wrap=True)
        return 2
    except (Interrupted, KeyboardInterrupt) as stop:
        console.print(str(stop) or "Interrupted.", markup=False, soft_wrap=True)
        return _INTERRUPTED
    if outcome.failed:
        name, reason = next(iter(outcome.failed.items()))
        console.print(
            f"{len(outcome.failed)} jobs failed; {name}: {reason}", markup=False, soft_wrap=True
        )
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
