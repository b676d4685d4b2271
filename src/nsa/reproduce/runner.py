"""Work through the jobs of a results folder, one at a time, beside any number of others."""

from __future__ import annotations

import logging
import os
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path

from nsa.console import duration
from nsa.device import use_own_gpu
from nsa.errors import InputError
from nsa.files import make_folder
from nsa.interrupt import Interrupted
from nsa.reproduce.claims import claim
from nsa.reproduce.evidence import cases, curves
from nsa.reproduce.jobs import Job, Request, job_options
from nsa.reproduce.results import read_result, result_path, write_result
from nsa.run import Run, find_begun
from nsa.train import Trained, open_run_dataset, resume, train

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

    def order(self, jobs: list[Job]) -> list[Job]:
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


def work(jobs: list[Job], request: Request, rank: Rank) -> Outcome:
    """Run every job that is not finished and that no other process is at.

    A job that fails for a reason of its own, such as an unreadable image, is logged, and the others
    go on.

    Raises:
        InputError: a result was written by another version of this package.
        Interrupted: a signal stopped a training; its state is saved.
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
    """Train, or continue the training of, one job, evaluate it and write its result.

    Raises:
        InputError: the training or the evaluation cannot be done.
        Interrupted: a signal stopped the training; its state is saved.
    """
    output, start = Path(request.output), time.perf_counter()
    trained = _train(job, request, output / "runs" / job.name)
    trained_at = time.perf_counter()
    evaluation, run = trained.evaluation, Run.open(trained.run.path)
    test = open_run_dataset(run).test
    times = {**run.training_times(), "evaluation_seconds": evaluation.seconds}
    pictures = cases(evaluation, test, output / "jobs", job.name) if test else []
    lines = curves(evaluation, test)
    write_result(
        output, job,
        {
            "device": run.places["device"],
            "metrics": {"paper": evaluation.metrics, "whole_image": evaluation.whole_image},
            "not_computed": evaluation.reasons,
            "test_images": {
                "normal": sum(sample.is_good for sample in test),
                "defective": sum(not sample.is_good for sample in test),
            },
            "times": {
                **times,
                "this_process_seconds": trained_at - start,
                "harness_seconds": time.perf_counter() - trained_at,
            },
            "curves": lines,
            "cases": pictures,
        },
    )  # fmt: skip
    _log.info("Finished %s in %s.", job.name, duration(time.perf_counter() - start))


def _train(job: Job, request: Request, folder: Path) -> Trained:
    begun = find_begun(folder)
    if begun is not None and begun.settings == job.settings:
        place = {"data_root": request.data_root, "precision": job.precision}
        if request.device is not None:
            place["device"] = request.device
        _log.info("Continuing %s.", job.name)
        return resume(folder, place)
    if folder.exists():  # stopped before it had begun, or damaged
        shutil.rmtree(folder)
    return train({**job_options(job, request), "output": folder})
