"""The method of the NSA paper: a network trained on synthetic anomalies."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nsa.detectors.method import DetectionMethod, Fitting
from nsa.detectors.network.request import NetworkRequest
from nsa.settings.methods import METHODS

if TYPE_CHECKING:
    import torch

    from nsa.detectors.network.detector import NetworkDetector
    from nsa.detectors.network.folder import NetworkRun
    from nsa.images import Dataset
    from nsa.training.distributed import Ranks


class NetworkMethod(DetectionMethod[NetworkRequest, "NetworkRun"]):
    """See :class:`nsa.detectors.method.DetectionMethod`."""

    names = tuple(METHODS)
    request = NetworkRequest
    summary = f"a system of the NSA paper, or anomalies of other shapes ({', '.join(names)})"
    lacks = "which trains a network on synthetic anomalies"
    steps = True

    def open_run(self, path: Path) -> NetworkRun:
        from nsa.detectors.network.folder import open_run

        return open_run(path)

    def load(self, run: NetworkRun, device: str | torch.device) -> NetworkDetector:
        from nsa.detectors.network.detector import load

        return load(run, device)

    def begin(
        self, request: NetworkRequest, dataset: Dataset, ranks: Ranks, *, profile: bool = False
    ) -> Fitting[NetworkRun]:
        from nsa.detectors.network.fit import begin

        return begin(request, dataset, ranks, profile)

    def check_files(self, run: NetworkRun) -> None:
        from nsa.detectors.network.folder import check_files

        check_files(run)

    def resume(
        self, run: NetworkRun, request: NetworkRequest, ranks: Ranks, *, profile: bool = False
    ) -> Fitting[NetworkRun]:
        from nsa.detectors.network.fit import resume

        return resume(run, request, ranks, profile)

    def further(
        self,
        run: NetworkRun,
        request: NetworkRequest,
        added: int,
        ranks: Ranks,
        *,
        profile: bool = False,
    ) -> Fitting[NetworkRun]:
        del added  # even the same images teach more
        from nsa.detectors.network.fit import further

        return further(run, request, ranks, profile)

    def follow(self, request: NetworkRequest, ranks: Ranks) -> None:
        from nsa.detectors.network.fit import follow

        follow(request, ranks)

    def demo(self, request: NetworkRequest, category: str) -> NetworkRequest:
        from nsa.detectors.network.demo import demo_settings

        return demo_settings(request, category)


METHOD = NetworkMethod()
