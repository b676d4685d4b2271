"""Finished detectors of any methods over one product as one: what ``nsa combine`` makes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nsa.detectors.ensemble.settings import NAME
from nsa.detectors.method import DetectionMethod, Fitting
from nsa.errors import InputError
from nsa.settings.options import TrainRequest
from nsa.system.console import as_argument

if TYPE_CHECKING:
    import torch

    from nsa.detectors.ensemble.detector import EnsembleDetector
    from nsa.detectors.ensemble.folder import EnsembleRun
    from nsa.images import Dataset
    from nsa.training.distributed import Ranks


class EnsembleMethod(DetectionMethod[TrainRequest, "EnsembleRun"]):
    """See :class:`nsa.detectors.method.DetectionMethod`."""

    names = (NAME,)
    request = TrainRequest
    summary = ""
    lacks = "which nsa combine makes of finished runs"

    def open_run(self, path: Path) -> EnsembleRun:
        from nsa.detectors.ensemble.folder import open_run

        return open_run(path)

    def load(self, run: EnsembleRun, device: str | torch.device) -> EnsembleDetector:
        from nsa.detectors.ensemble.detector import load

        if not run.is_combined and (run.path / "metrics.json").is_file():
            raise InputError(
                f"The ensemble in {run.path} has lost its ensemble.yaml; put it back, or combine "
                "the runs again into another folder."
            )
        if not run.is_combined:
            raise InputError(
                f"The ensemble in {run.path} is unfinished; give its nsa combine again, with "
                f"--output {as_argument(run.path)}."
            )
        return load(run, device)

    def begin(
        self, request: TrainRequest, dataset: Dataset, ranks: Ranks, *, profile: bool = False
    ) -> Fitting[EnsembleRun]:
        del request, dataset, ranks, profile
        raise InputError(
            "An ensemble is made of finished runs: nsa combine RUN RUN --output RUN; or train one "
            "with --method nsa+gaussian."
        )

    def resume(
        self, run: EnsembleRun, request: TrainRequest, ranks: Ranks, *, profile: bool = False
    ) -> Fitting[EnsembleRun]:
        del request, ranks, profile  # there is nothing that they could change
        from nsa.detectors.ensemble.fit import Finished
        from nsa.system.device import choose_device

        device = choose_device(run.places["device"])
        return Finished(run, self.load(run, device), device)

    def further(
        self,
        run: EnsembleRun,
        request: TrainRequest,
        added: int,
        ranks: Ranks,
        *,
        profile: bool = False,
    ) -> Fitting[EnsembleRun]:
        del request, added, ranks, profile
        raise InputError(
            f"{run.path} is an ensemble, which is not trained itself; give --resume-from the runs "
            "that it was made of, one by one, and nsa combine the results."
        )


METHOD = EnsembleMethod()
