"""A fitted Gaussian detector behind the interface that all methods share."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nsa.detectors.gaussian import storage
from nsa.detectors.gaussian.settings import GaussianRun, GaussianSettings
from nsa.detectors.network.detector import stack
from nsa.errors import InputError
from nsa.folder import BaseRun
from nsa.gaussian.detector import GaussianDetector
from nsa.images import Dataset, LoadedTest, load_images, load_test_set
from nsa.report import choose_examples
from nsa.runs.evaluate import EXAMPLES, NO_MAPS, Evaluation, compute_metrics
from nsa.system.console import console
from nsa.system.device import choose_device


class GaussianScorer:
    """Scores of files by the sum of a fitted detector's distances.

    Attributes:
        run: the run folder.
        detector: fitted.
        extractor: of the detector, with its network.
    """

    no_maps: str | None = NO_MAPS
    map_limit = 1.0

    def __init__(self, run: GaussianRun, detector: GaussianDetector) -> None:
        if detector.extractor is None:
            raise InputError(f"The detector in {run.path} has no network; train it again.")
        self.run: BaseRun[GaussianSettings] = run
        self.detector = detector
        self.extractor = detector.extractor
        self.channels: int = detector.extractor.network.channels

    @classmethod
    def load(cls, path: Path, device: str = "auto") -> GaussianScorer:
        """Load a finished run; see :meth:`nsa.detectors.network.detector.Detector.load`."""
        run = GaussianRun.open(path)
        detector = storage.load(path, device=choose_device(device))
        scorer = cls(run, detector)
        scorer.extractor.progress = console.is_terminal
        return scorer

    @property
    def default_fpr(self) -> float | None:
        """The rate that the training was asked for."""
        return self.run.settings.gaussian.fpr

    def judge(
        self, images: Sequence[npt.NDArray[np.uint8]]
    ) -> list[tuple[float, npt.NDArray[np.float32] | None]]:
        """The score of each image, uint8 (H, W, channels) of any size; there are no maps."""
        pixels, scores = stack(images, self.run.settings.size), []
        for part in torch.split(pixels, self.extractor.batch_size):
            # Not through the extractor's own loop, whose progress bar would flash for every group.
            scores += self.detector.score(self.extractor.batch(part)).tolist()
        return [(score, None) for score in scores]

    def calibrate(self, paths: Sequence[Path]) -> npt.NDArray[np.float64]:
        """Scores of held-out normal images, float64 (N,); their distances are kept in the run."""
        distances = self.detector.level_scores(self._images(paths))
        self.detector.calibration = distances
        storage.save(self.detector, self.run.path)
        scores: npt.NDArray[np.float64] = distances.sum(1).numpy()
        return scores

    def level_points(self, fpr: float) -> list[dict[str, Any]]:
        """The working point of every level by eq. 8, with the rate achieved on held-out images.

        Empty for ``l2``, whose distance follows no chi-square distribution.
        """
        if self.detector.distribution == "l2":
            return []
        points = []
        for number, level in enumerate(self.detector.levels, 1):
            point = self.detector.working_point(fpr, number, "chi-square")
            points.append(
                {
                    "level": number,
                    "dimensions": level.dimensions,
                    "threshold": point.threshold,
                    "held_out_fpr": point.achieved,
                }
            )
        return points

    def evaluate(self, dataset: Dataset, loaded: LoadedTest | None = None) -> Evaluation:
        """Score the test images and compute the image metrics; there are no pixel metrics.

        Args:
            loaded: the test set at the size of the run, where it is in memory already.

        Raises:
            InputError: an image or a mask cannot be read, or a mask does not fit its image.
        """
        size, test = self.run.settings.size, dataset.test
        if loaded is None:
            loaded = load_test_set(test, size, self.channels, console.is_terminal)
        start = time.perf_counter()
        scores = self.detector.score(loaded.images).numpy() if test else np.empty(0)
        metrics, reasons = compute_metrics(test, scores, None, np.empty((0, 0, 0), np.uint8))
        seconds = time.perf_counter() - start
        defects = [sample.defect for sample in test]
        examples = choose_examples(defects, scores.tolist(), EXAMPLES) if test else []
        return Evaluation(
            metrics, metrics, reasons, scores, scores, seconds,
            examples, loaded.images, None, loaded.masks,
        )  # fmt: skip

    def _images(self, paths: Sequence[Path]) -> Tensor:
        return load_images(paths, self.run.settings.size, self.channels, console.is_terminal)
