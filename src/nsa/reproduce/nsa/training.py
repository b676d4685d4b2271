"""One training of the NSA paper's tables: trained or continued, evaluated, and told as a result."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nsa.detectors.network.request import NetworkRequest
from nsa.detectors.network.settings import SECTIONS, NetworkSettings
from nsa.reproduce.evidence import cases, curves
from nsa.reproduce.job import Job
from nsa.reproduce.nsa.systems import System
from nsa.reproduce.request import ReproduceRequest
from nsa.runs.train import open_run_dataset, train_or_resume
from nsa.runs.work import Trained

_log = logging.getLogger("nsa")


@dataclass(frozen=True, kw_only=True)
class TrainingJob(Job):
    """One training.

    Attributes:
        settings: everything about it, seed and category included.
        device: where it runs; None: where it began, else ``"auto"``.
        threads: on the CPU; None: as it began, else as many as are fastest.
    """

    paper = "nsa"
    system: System
    settings: NetworkSettings
    device: str | None
    threads: int | None

    def settings_dict(self) -> dict[str, Any]:
        """See :meth:`Job.settings_dict`."""
        values = self.settings.to_dict()
        if values["training"]["image_score"] == "mean":  # as in all results of earlier versions
            del values["training"]["image_score"]
        del values["training"]["holdout"]  # none is held out, now as then
        del values["recipe"]  # the paper's, now as then
        return values

    def run(self, request: ReproduceRequest) -> dict[str, Any]:
        """See :meth:`Job.run`."""
        output, start = request.output, time.perf_counter()
        trained = self._train(request.data_root, output / "runs" / self.name)
        trained_at = time.perf_counter()
        evaluation, run = trained.evaluation, trained.run
        test = open_run_dataset(run).test
        times = {**run.training_times(), "evaluation_seconds": evaluation.seconds}
        pictures = cases(evaluation, test, output / "jobs", self.name) if test else []
        lines = curves(evaluation, test)
        return {
            "device": run.places["device"],
            "metrics": {
                "paper": evaluation.paper.metrics,
                "whole_image": evaluation.whole.metrics,
            },
            "not_computed": evaluation.paper.reasons,
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

    def _train(self, data_root: Path, folder: Path) -> Trained:
        """Train, or continue the training, in a run folder."""
        settings = self.settings.to_dict()
        request = NetworkRequest(
            data_root=data_root, device=self.device, precision=self.precision, output=folder,
            threads=self.threads, recipe=self.settings.recipe,
            **{name: settings[name] for name in ("category", "kind", *SECTIONS)},
        )  # fmt: skip
        return train_or_resume(request, self.settings)
