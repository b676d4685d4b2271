"""One training of the NSA paper's tables: trained or continued, evaluated, and told as a result."""

from __future__ import annotations

import logging
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nsa.detectors.network.folder import find_begun
from nsa.detectors.network.request import NetworkRequest
from nsa.reproduce.evidence import cases, curves
from nsa.runs.train import Trained, open_run_dataset, resume, train

if TYPE_CHECKING:
    from nsa.reproduce.job import Request
    from nsa.reproduce.nsa.jobs import TrainingJob

_log = logging.getLogger("nsa")


def run_training(job: TrainingJob, request: Request, training: NetworkRequest) -> dict[str, Any]:
    """Train, or continue the training of, one job and evaluate it.

    Args:
        training: what gives exactly this job.

    Raises:
        InputError: the training or the evaluation cannot be done.
        Interrupted: a signal stopped the training; its state is saved.
    """
    output, start = Path(request.output), time.perf_counter()
    trained = _train(job, request, training, output / "runs" / job.name)
    trained_at = time.perf_counter()
    evaluation, run = trained.evaluation, trained.run
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


def _train(job: TrainingJob, request: Request, training: NetworkRequest, folder: Path) -> Trained:
    begun = find_begun(folder)
    if begun is not None and begun.settings == job.settings:
        _log.info("Continuing %s.", job.name)
        place = NetworkRequest(
            data_root=Path(request.data_root), precision=job.precision, device=request.device
        )
        return resume(folder, place)
    if folder.exists():  # stopped before it had begun, or damaged
        shutil.rmtree(folder)
    return train(training.replace(output=folder))
