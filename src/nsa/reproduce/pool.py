"""Several worker processes on one machine that share the jobs of a results folder.

Each worker is one rank more; they meet in the results folder only, so losing one costs nothing but
its current job, which anyone continues.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from nsa.errors import InputError
from nsa.reproduce.job import Request
from nsa.reproduce.papers import find_paper
from nsa.reproduce.runner import Outcome, Rank, work
from nsa.system.device import keep_freed_memory
from nsa.system.interrupt import Interrupted
from nsa.system.processes import Worker, count_devices, exit_status
from nsa.system.processes import run_workers as run_processes


def run_workers(
    request: Request, rank: Rank, per_device: int, watch: Callable[[Sequence[Worker]], None]
) -> Outcome:
    """Start ``per_device`` workers a device and wait for them.

    Args:
        watch: called about twice a second.

    Raises:
        InputError: there is no such device.
        Interrupted: a signal came; every worker has saved its training.
    """
    devices = count_devices(request.device or "auto")
    count = per_device * devices
    workers = [_worker(request, rank, index, count) for index in range(count)]
    try:
        run_processes(workers, count, devices, lambda: watch(workers))
    except Interrupted:
        raise Interrupted("Stopped and saved; the same command continues.") from None
    failures = {worker.log.stem: worker.failure() for worker in workers}
    return Outcome(failed={name: reason for name, reason in failures.items() if reason})


def _worker(request: Request, rank: Rank, index: int, count: int) -> Worker:
    return Worker(
        f"worker {index}",
        ["-m", "nsa.reproduce.pool", request.to_json()],
        Path(request.output) / "logs" / f"rank{rank.number}-worker{index}.log",
        {"RANK": str(rank.number * count + index), "WORLD_SIZE": str(rank.count * count)},
    )


def do_jobs(request: Request) -> None:
    """What a worker does: its share of the jobs of a request.

    Raises:
        InputError: some of them failed.
    """
    keep_freed_memory()
    jobs = find_paper(request.paper).plan(request)
    outcome = work(jobs, request, Rank.from_environment())
    if outcome.failed:
        name, reason = next(iter(outcome.failed.items()))
        raise InputError(f"{len(outcome.failed)} jobs failed; {name}: {reason}")


if __name__ == "__main__":
    raise SystemExit(exit_status(lambda: do_jobs(Request.from_json(sys.argv[1]))))
