"""A fitted Gaussian detector with its settings: images in, scores out."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from nsa.detectors.detector import Detector, Map, Pixels, Scored
from nsa.detectors.gaussian import storage
from nsa.detectors.gaussian.folder import GaussianRun
from nsa.detectors.gaussian.settings import GaussianSettings
from nsa.errors import InputError
from nsa.gaussian.detector import GaussianDetector
from nsa.gaussian.distributions import Distribution
from nsa.images import stack
from nsa.model.backbones import Levels
from nsa.system.console import as_argument, console
from nsa.system.device import choose_device

_log = logging.getLogger("nsa")


class FittedGaussian(Detector):
    """Scores of images by the sum of a fitted detector's distances.

    Attributes:
        settings: the settings of its run.
        gaussian: the distributions.
        extractor: of the detector, with its network.
    """

    no_maps = "the Gaussian detector gives no pixel map"

    def __init__(self, gaussian: GaussianDetector, settings: GaussianSettings, path: Path) -> None:
        if gaussian.extractor is None:
            raise InputError(f"The detector in {path} has no network; train it again.")
        self.gaussian, self.settings = gaussian, settings
        self.extractor = gaussian.extractor
        self.size = settings.size
        self.channels = self.extractor.network.channels
        self.default_fpr = settings.gaussian.fpr
        self._path = path

    def score(self, images: Tensor) -> Scored:
        """See :meth:`Detector.score`."""
        empty = torch.empty(0, dtype=torch.float64, device="cpu")
        return Scored(self.gaussian.score(images) if len(images) else empty, None)

    def judge(self, images: Sequence[Pixels]) -> list[tuple[float, Map | None]]:
        """See :meth:`Detector.judge`."""
        scores: list[float] = []
        if not images:
            return []
        for part in torch.split(stack(images, self.size), self.extractor.batch_size):
            # Not through the extractor's own loop, whose progress bar would flash for every group.
            scores += self.gaussian.score(self.extractor.batch(part)).tolist()
        return [(score, None) for score in scores]

    def calibrate(self, images: Tensor) -> npt.NDArray[np.float64]:
        """See :meth:`Detector.calibrate`; the distances of every level are kept in the detector."""
        distances = self.gaussian.level_scores(images)
        self.gaussian.calibration = distances
        scores: npt.NDArray[np.float64] = distances.sum(1).numpy()
        return scores

    def save_calibration(self, folder: Path) -> None:
        """See :meth:`Detector.save_calibration`."""
        storage.save(self.gaussian, folder)

    def level_points(self, fpr: float) -> list[dict[str, Any]]:
        """The working point of every level by eq. 8, with the rate achieved on held-out images.

        Empty for ``l2``, whose distance follows no chi-square distribution.
        """
        if self.gaussian.distribution == "l2":
            return []
        points = []
        for number, level in enumerate(self.gaussian.levels, 1):
            point = self.gaussian.working_point(fpr, number, "chi-square")
            points.append(
                {
                    "level": number,
                    "dimensions": level.dimensions,
                    "threshold": point.threshold,
                    "held_out_fpr": point.achieved,
                }
            )
        return points

    def deployable(self) -> tuple[nn.Module, dict[str, str]]:
        """See :meth:`Detector.deployable`."""
        if self.extractor.precision == "bfloat16":
            _log.warning(
                "%s computes its features in bfloat16, the file in float32: scores differ by some "
                "0.4 %%.", self._path,
            )  # fmt: skip
        distances = _Distances(self.extractor.network, self.gaussian.levels)
        return distances, {"scores": "float64 (N)"}


class _Distances(nn.Module):
    """The sum over levels of ``||W (features - mean)||``."""

    def __init__(self, levels: Levels, distributions: Sequence[Distribution]) -> None:
        super().__init__()
        self.levels = levels
        scale, shift = levels.scaling.of_pixels()
        self.scale = nn.Buffer(scale[:, None, None])
        self.shift = nn.Buffer(shift[:, None, None])
        self.means = nn.ParameterList(level.mean for level in distributions)
        self.whitenings = nn.ParameterList(level.whitening() for level in distributions)

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """Scores, float64 (N,), of images."""
        features = self.levels(pixels * self.scale + self.shift)
        parts = zip(features, self.means, self.whitenings, strict=True)
        distances = [
            ((features.double() - mean) @ whitening).square().sum(1).sqrt()
            for features, mean, whitening in parts
        ]
        return (torch.stack(distances, 1).sum(1),)


def load(run: GaussianRun, device: str | torch.device = "auto") -> FittedGaussian:
    """The detector of a finished run.

    Args:
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``.

    Raises:
        InputError: the run has not finished, or there is no such device.
    """
    if not (run.path / storage.SETTINGS_FILE).is_file():
        raise InputError(
            f"The fit in {run.path} is unfinished; nsa train --resume "
            f"{as_argument(run.path)} finishes it."
        )
    gaussian = storage.load(run.path, device=choose_device(device))
    detector = FittedGaussian(gaussian, run.settings, run.path)
    detector.extractor.progress = console.is_terminal
    return detector
