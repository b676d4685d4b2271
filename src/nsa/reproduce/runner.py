"""Work through the jobs of a results folder, one at a time, beside any number of others."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nsa.errors import InputError
from nsa.reproduce.claims import claim
from nsa.reproduce.job import Job, Request
from nsa.reproduce.results import read_result, result_path, write_result
from nsa.system.console import duration
from nsa.system.device import use_own_gpu
from nsa.system.files import make_folder
from nsa.system.interrupt import Interrupted

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


@dataclass
class Outcome:
    """What a process did: names of jobs."""

    done: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


def prepare_folder(output: Path) -> None:
    """Create a results folder with what lies in it.

    Raises:
        InputError: it cannot be created or written to.
    """
    for part in ("", "jobs", "runs", "claims", "logs"):
        make_folder(output / part)


def work(jobs: Sequence[Job], request: Request, rank: Rank) -> Outcome:
    """Run every job that is not finished and that no other process is at.

    A job that fails for a reason of its own, such as an unreadable image, is logged, and the others
    go on.

    Raises:
        InputError: a result was written by another version of this package.
        Interrupted: a signal stopped a job; its state is saved.
    """
    output, outcome = Path(request.output), Outcome()
    use_own_gpu()
    for job in rank.order(jobs):
        if is_finished(output, job):
            continue
        with claim(output / "claims" / f"{job.name}.lock") as ours:
            # Another process may have finished it between our look and our claim.
            if not ours or is_finished(output, job):
                continue
            left = sum(not result_path(output, other).is_file() for other in jobs)
            _log.info("Job %s; %d of %d left.", job.name, left, len(jobs))
            try:
                run_job(job, request)
            except InputError as error:
                _log.warning("Job %s failed: %s", job.name, error)
                outcome.failed[job.name] = str(error)
            except Interrupted as stop:
                raise Interrupted(
                    f"Stopped during {job.name} and saved, {left} of {len(jobs)} jobs left; the "
                    "same command continues."
                ) from stop
            else:
                outcome.done.append(job.name)
    return outcome


def is_finished(output: Path, job: Job) -> bool:
    """Whether a job has an intact result; a damaged one is said in the log.

    Raises:
        InputError: another version of this package wrote it.
    """
    path = result_path(output, job)
    return path.is_file() and read_result(path) is not None


def run_job(job: Job, request: Request) -> None:
    """Do, or continue, one job and write its result.

    Raises:
        InputError: it cannot be done.
        Interrupted: a signal stopped it; its state is saved.
    """
    start = time.perf_counter()
    write_result(Path(request.output), job, job.run(request))
    _log.info("Finished %s in %s.", job.name, duration(time.perf_counter() - start))
