"""The jobs of a results folder as tasks of a farm, beside any number of other processes."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nsa.errors import InputError
from nsa.reproduce.claims import claim, remove_left
from nsa.reproduce.job import Job
from nsa.reproduce.live import LiveTable
from nsa.reproduce.request import ReproduceRequest
from nsa.reproduce.results import read_result, result_path, write_result
from nsa.runs.farm import Farm
from nsa.runs.workers import count_devices
from nsa.system.console import console, duration
from nsa.system.files import make_folder, remove_unfinished

_log = logging.getLogger("nsa")


@dataclass(frozen=True)
class Rank:
    """Which of several processes this is."""

    number: int = 0
    count: int = 1

    @classmethod
    def from_environment(cls) -> Rank:
        """From ``RANK`` and ``WORLD_SIZE``, as ``torchrun`` sets them.

        Raises:
            InputError: they make no sense.
        """
        texts = os.environ.get("RANK", "0"), os.environ.get("WORLD_SIZE", "1")
        if not (texts[0].isdigit() and texts[1].isdigit() and int(texts[0]) < int(texts[1])):
            raise InputError(
                f"RANK must be a number below WORLD_SIZE, got RANK={texts[0]} and "
                f"WORLD_SIZE={texts[1]} in the environment."
            )
        return cls(int(texts[0]), int(texts[1]))

    def order(self, jobs: Sequence[Job]) -> list[Job]:
        """Our own share first, then the others', in case a process of theirs is gone."""
        shares = [
            jobs[(self.number + shift) % self.count :: self.count] for shift in range(self.count)
        ]
        return [job for share in shares for job in share]


@dataclass(frozen=True)
class JobTask:
    """A job of a request, a task of a farm."""

    job: Job
    request: ReproduceRequest

    @property
    def name(self) -> str:
        return self.job.name

    @property
    def log(self) -> Path:
        return self.request.output / "logs" / f"{self.name}.log"

    def is_finished(self) -> bool:
        """See :func:`is_finished`."""
        return is_finished(self.request.output, self.job)

    def run(self) -> None:
        """Do, or continue, the job, unless another process is at it.

        Raises:
            InputError: it cannot be done.
            Interrupted: a signal stopped it; its state is saved.
        """
        with claim(self.request.output / "claims" / f"{self.name}.lock") as ours:
            # Another process may have finished it between our look and our claim.
            if ours and not self.is_finished():
                _log.info("Job %s.", self.name)
                run_job(self.job, self.request)


def check_folder(output: Path) -> None:
    """Check before any work that results may be written into a folder.

    Raises:
        InputError: it holds something else.
    """
    if not output.is_dir() or (output / "jobs").is_dir():
        return
    if any(not entry.name.startswith(".") for entry in output.iterdir()):
        raise InputError(
            f"The folder {output} is not empty and holds no results of nsa reproduce; choose "
            "another --output."
        )


def prepare_folder(output: Path) -> None:
    """Create a results folder with what lies in it, without what a kill has left there.

    Raises:
        InputError: it cannot be created or written to.
    """
    for part in ("", "jobs", "runs", "claims", "logs"):
        make_folder(output / part)
        remove_unfinished(output / part)
    remove_left(output / "claims")


def run_jobs(jobs: Sequence[Job], request: ReproduceRequest, per_device: int) -> dict[str, str]:
    """Run every job that is not finished and that no other process is at.

    That is in this process, or in workers where several run at once or a live table is to be drawn.
    A job that fails for a reason of its own, such as an unreadable image, stops no other.

    Args:
        per_device: jobs at once on every device.

    Returns:
        Why jobs failed, by their names.

    Raises:
        InputError: a result was written by another version of this package, or there is no such
            device.
        Interrupted: a signal came; what ran is saved.
    """
    folder, rank = request.output, Rank.from_environment()
    tasks = [JobTask(job, request) for job in rank.order(jobs)]
    farm = Farm(tasks, "the same command continues.")
    if not farm.left():
        _log.info("All jobs are finished.")
    elif per_device == 1 and (rank.count > 1 or not console.is_terminal):
        farm.work()
    else:
        devices = count_devices(request.device or "auto")
        farm.spread(per_device * devices, devices, LiveTable(folder, jobs, farm).draw)
    return farm.failures


def is_finished(output: Path, job: Job) -> bool:
    """Whether a job has an intact result; a damaged one is said in the log.

    Raises:
        InputError: another version of this package wrote it.
    """
    path = result_path(output, job)
    return path.is_file() and read_result(path) is not None


def run_job(job: Job, request: ReproduceRequest) -> None:
    """Do, or continue, one job and write its result.

    Raises:
        InputError: it cannot be done.
        Interrupted: a signal stopped it; its state is saved.
    """
    start = time.perf_counter()
    write_result(request.output, job, job.run(request))
    _log.info("Finished %s in %s.", job.name, duration(time.perf_counter() - start))
