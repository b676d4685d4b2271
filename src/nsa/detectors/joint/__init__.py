"""NSA and the Gaussian detector, trained on the same images and combined by those held out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nsa.detectors.joint.request import JointRequest
from nsa.detectors.method import DetectionMethod, Fitting
from nsa.errors import InputError
from nsa.system.console import as_argument

if TYPE_CHECKING:
    import torch

    from nsa.detectors.ensemble.detector import EnsembleDetector
    from nsa.detectors.joint.folder import JointRun
    from nsa.images import Dataset
    from nsa.training.distributed import Ranks


class JointMethod(DetectionMethod[JointRequest, "JointRun"]):
    """See :class:`nsa.detectors.method.DetectionMethod`."""

    names = ("nsa+gaussian",)
    request = JointRequest
    summary = "nsa+gaussian (both of them, combined by images that are held out of both)"
    lacks = "which trains both"

    def open_run(self, path: Path) -> JointRun:
        from nsa.detectors.joint.folder import open_run

        return open_run(path)

    def load(self, run: JointRun, device: str | torch.device) -> EnsembleDetector:
        from nsa.detectors.ensemble.detector import load

        if not run.is_combined:
            raise InputError(
                f"The training in {run.path} is unfinished; nsa train --resume "
                f"{as_argument(run.path)} continues it."
            )
        return load(run, device, run.settings.shared.fpr)

    def begin(
        self, request: JointRequest, dataset: Dataset, ranks: Ranks, *, profile: bool = False
    ) -> Fitting[JointRun]:
        del ranks, profile  # both are refused
        from nsa.detectors.joint.fit import begin

        return begin(request, dataset)

    def resume(
        self, run: JointRun, request: JointRequest, ranks: Ranks, *, profile: bool = False
    ) -> Fitting[JointRun]:
        del ranks, profile
        from nsa.detectors.joint.fit import resume

        return resume(run, request)

    def further(
        self,
        run: JointRun,
        request: JointRequest,
        added: int,
        ranks: Ranks,
        *,
        profile: bool = False,
    ) -> Fitting[JointRun]:
        del added, ranks, profile
        from nsa.detectors.joint.fit import further

        return further(run, request)

    def demo(self, request: JointRequest, category: str) -> JointRequest:
        from nsa.detectors.network.demo import demo_settings

        return demo_settings(request, category, own_size=False)


METHOD = JointMethod()
