"""The jobs of a results folder, done by whatever does jobs."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nsa.errors import InputError
from nsa.jobs.choose import needs_of_training, open_executor
from nsa.jobs.execute import execute
from nsa.jobs.job import Needs
from nsa.reproduce.job import Job, Part
from nsa.reproduce.live import LiveTable
from nsa.reproduce.request import ReproduceRequest
from nsa.reproduce.results import log_path, read_result, result_path, write_result
from nsa.runs.several.needed import needed_by
from nsa.system.console import console, duration
from nsa.system.files import make_folder, remove_unfinished

_log = logging.getLogger("nsa")


@dataclass(frozen=True)
class RequestedJob:
    """A job of a paper together with the request that it is of: a :class:`nsa.jobs.job.Job`."""

    job: Job
    request: ReproduceRequest
    needs: Needs

    @property
    def name(self) -> str:
        return self.job.name

    @property
    def folder(self) -> Path:
        return self.request.output

    @property
    def log(self) -> Path:
        return log_path(self.folder, self.name)

    def is_finished(self) -> bool:
        """See :func:`is_finished`."""
        return is_finished(self.folder, self.job)

    def run(self) -> None:
        """See :func:`run_job`."""
        run_job(self.job, self.request)


@dataclass(frozen=True)
class RequestedPart(RequestedJob):
    """A part of such a job, as a job of its own."""

    part: Part

    @property
    def name(self) -> str:
        return self.part.name

    def is_finished(self) -> bool:
        """See :meth:`nsa.reproduce.job.Part.is_finished`."""
        return self.part.is_finished(self.folder)

    def run(self) -> None:
        """See :meth:`nsa.reproduce.job.Part.run`."""
        self.part.run(self.request)


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
    """Create what lies in a results folder, without what a kill has left there.

    Raises:
        InputError: it cannot be created or written to.
    """
    for part in ("jobs", "runs", "logs"):
        make_folder(output / part)
        remove_unfinished(output / part)


def run_jobs(
    jobs: Sequence[Job], request: ReproduceRequest, per_device: int, cluster: str | None
) -> dict[str, str]:
    """Run every job that is not finished.

    That is in this process, or in workers where several run at once or a live table is to be drawn.
    Where several do, the parts of a job are jobs of their own, before it. A job that fails for a
    reason of its own, such as an unreadable image, stops no other.

    Args:
        per_device: jobs at once on every device.
        cluster: see :func:`nsa.jobs.choose.open_executor`.

    Returns:
        Why jobs failed, by their names.

    Raises:
        InputError: a result was written by another version of this package, or there is no such
            device or cluster.
        Interrupted: a signal came; what ran is saved.
    """
    left = [job for job in jobs if not is_finished(request.output, job)]
    if not left:
        _log.info("All jobs are finished.")
        return {}
    parts = {
        job.name: [part for part in job.parts() if not part.is_finished(request.output)]
        for job in left
    }
    device = request.device or "auto"
    needs = needs_of_training(device, per_device, cluster)
    executor = open_executor(
        cluster, device, per_device, sum(max(1, len(of_one)) for of_one in parts.values()),
        results=request.output, data=needed_by(request, *jobs), apart=console.is_terminal,
    )  # fmt: skip
    if executor.room == 1:  # one after the other, a job does them with what it has loaded once
        parts = {}
    requested: list[RequestedJob] = []
    whole_of: dict[str, str] = {}
    for job in jobs:
        for part in parts.get(job.name, ()):
            requested.append(RequestedPart(job, request, needs, part))
            whole_of[part.name] = job.name
        requested.append(RequestedJob(job, request, needs))
    draw = LiveTable(request.output, jobs).draw
    return execute(requested, executor, draw, "the same command continues.", parts=whole_of)


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
