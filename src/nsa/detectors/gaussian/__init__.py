"""The method of Rippel et al. 2020: Gaussians in the features of a pretrained network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nsa.detectors.gaussian.request import GaussianRequest
from nsa.detectors.method import DetectionMethod, Fitting

if TYPE_CHECKING:
    import torch

    from nsa.detectors.gaussian.detector import FittedGaussian
    from nsa.detectors.gaussian.folder import GaussianRun
    from nsa.images import Dataset
    from nsa.training.distributed import Ranks


class GaussianMethod(DetectionMethod[GaussianRequest, "GaussianRun"]):
    """See :class:`nsa.detectors.method.DetectionMethod`."""

    names = ("gaussian",)
    request = GaussianRequest
    summary = "gaussian (Rippel et al.: fitted in seconds to the features of a pretrained network)"
    lacks = "which fits its features in one pass without synthetic anomalies"

    def open_run(self, path: Path) -> GaussianRun:
        from nsa.detectors.gaussian.folder import open_run

        return open_run(path)

    def load(self, run: GaussianRun, device: str | torch.device) -> FittedGaussian:
        from nsa.detectors.gaussian.detector import load

        return load(run, device)

    def begin(
        self, request: GaussianRequest, dataset: Dataset, ranks: Ranks, *, profile: bool = False
    ) -> Fitting[GaussianRun]:
        del ranks, profile  # there are no steps
        from nsa.detectors.gaussian.fit import begin

        return begin(request, dataset)

    def resume(
        self, run: GaussianRun, request: GaussianRequest, ranks: Ranks, *, profile: bool = False
    ) -> Fitting[GaussianRun]:
        del ranks, profile
        from nsa.detectors.gaussian.fit import resume

        return resume(run, request)

    def further(
        self,
        run: GaussianRun,
        request: GaussianRequest,
        added: int,
        ranks: Ranks,
        *,
        profile: bool = False,
    ) -> Fitting[GaussianRun]:
        del ranks, profile
        from nsa.detectors.gaussian.fit import further

        return further(run, request, added)


METHOD = GaussianMethod()
