"""One training of the NSA paper's tables: trained or continued, evaluated, and told as a result."""

from __future__ import annotations

import logging
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nsa.folder import Run, find_begun
from nsa.reproduce.evidence import cases, curves
from nsa.runs.train import Trained, open_run_dataset, resume, train

if TYPE_CHECKING:
    from nsa.reproduce.job import Request
    from nsa.reproduce.nsa.jobs import TrainingJob

_log = logging.getLogger("nsa")


def run_training(job: TrainingJob, request: Request, options: dict[str, Any]) -> dict[str, Any]:
    """Train, or continue the training of, one job and evaluate it.

    Args:
        options: of :func:`nsa.runs.train.train`, which give exactly this job.

    Raises:
        InputError: the training or the evaluation cannot be done.
        Interrupted: a signal stopped the training; its state is saved.
    """
    output, start = Path(request.output), time.perf_counter()
    trained = _train(job, request, options, output / "runs" / job.name)
    trained_at = time.perf_counter()
    evaluation, run = trained.evaluation, Run.open(trained.run.path)
    test = open_run_dataset(run).test
    times = {**run.training_times(), "evaluation_seconds": evaluation.seconds}
    pictures = cases(evaluation, test, output / "jobs", job.name) if test else []
    lines = curves(evaluation, test)
    return {
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
    }


def _train(job: TrainingJob, request: Request, options: dict[str, Any], folder: Path) -> Trained:
    begun = find_begun(folder)
    if begun is not None and begun.settings == job.settings:
        place = {"data_root": request.data_root, "precision": job.precision}
        if request.device is not None:
            place["device"] = request.device
        _log.info("Continuing %s.", job.name)
        return resume(folder, place)
    if folder.exists():  # stopped before it had begun, or damaged
        shutil.rmtree(folder)
    return train({**options, "output": folder})
