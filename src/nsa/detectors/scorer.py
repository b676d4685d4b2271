"""One interface to the trained detectors of all methods: files in, scores out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from nsa.detectors.network.detector import Detector, enlarge, image_scores, stack
from nsa.folder import BaseRun, Run, read_config
from nsa.images import Dataset, LoadedTest, load_images
from nsa.runs.evaluate import Evaluation, evaluate
from nsa.settings.options import GAUSSIAN
from nsa.system.console import console

_CHUNK = 64


class Scorer(Protocol):
    """A trained detector of any method.

    Attributes:
        run: its run folder.
        channels: of the images it takes, 1 or 3.
        no_maps: why it gives no maps; None: it does.
        map_limit: top of the colour scale of its maps.
    """

    run: BaseRun[Any]
    channels: int
    no_maps: str | None
    map_limit: float

    @property
    def default_fpr(self) -> float | None:
        """The false positive rate that the training was asked for."""

    def judge(
        self, images: Sequence[npt.NDArray[np.uint8]]
    ) -> list[tuple[float, npt.NDArray[np.float32] | None]]:
        """Score and map (H, W) of each image, uint8 (H, W, channels) of any size."""

    def calibrate(self, paths: Sequence[Path]) -> npt.NDArray[np.float64]:
        """Scores, float64 (N,), of normal images that were not trained on."""

    def level_points(self, fpr: float) -> list[dict[str, Any]]:
        """Working points of a method's parts, where it has any with a threshold of their own."""

    def evaluate(self, dataset: Dataset, loaded: LoadedTest | None = None) -> Evaluation:
        """All metrics that the test set allows; ``loaded`` where it is in memory already."""


class NetworkScorer:
    """Scores of a network that was trained on synthetic anomalies."""

    no_maps: str | None = None

    def __init__(self, run: Run, detector: Detector) -> None:
        self.run: BaseRun[Any] = run
        self.detector = detector
        self.channels = detector.settings.images.channels
        # One fixed scale, so that pictures of different images and calls can be compared:
        # continuous maps are in grey levels, of which y0 counts half in the logistic label; all
        # others end at 1.
        synthesis = detector.settings.synthesis
        self.map_limit = 2 * synthesis.label_midpoint if synthesis.unbounded else 1.0

    @property
    def default_fpr(self) -> float | None:
        """None: the training holds nothing out."""
        return None

    def judge(
        self, images: Sequence[npt.NDArray[np.uint8]]
    ) -> list[tuple[float, npt.NDArray[np.float32] | None]]:
        """See :meth:`Scorer.judge`."""
        maps = self.detector.maps(stack(images, self.detector.size))
        return [
            (score, enlarge(values[None, None], image.shape[:2])[0, 0].numpy())
            for score, values, image in zip(image_scores(maps).tolist(), maps, images, strict=True)
        ]

    def calibrate(self, paths: Sequence[Path]) -> npt.NDArray[np.float64]:
        """Scores of whole images, as :meth:`judge` gives them."""
        images = load_images(paths, self.detector.size, self.channels, console.is_terminal)
        starts = range(0, len(images), _CHUNK)  # so that the maps are never all in memory
        parts = [image_scores(self.detector.maps(images[i : i + _CHUNK])) for i in starts]
        return torch.cat(parts).double().numpy()

    def level_points(self, fpr: float) -> list[dict[str, Any]]:  # noqa: ARG002
        """A network's score has no parts."""
        return []

    def evaluate(self, dataset: Dataset, loaded: LoadedTest | None = None) -> Evaluation:
        """See :func:`nsa.runs.evaluate.evaluate`."""
        return evaluate(self.detector, dataset, loaded)


def open_scorer(path: Path, device: str = "auto") -> Scorer:
    """The detector of a finished run, whatever its method.

    Raises:
        InputError: the folder holds no finished run of this format, or there is no such device.
    """
    if read_config(path).get("method") == GAUSSIAN:
        from nsa.detectors.gaussian.detector import GaussianScorer

        return GaussianScorer.load(path, device)
    return NetworkScorer(Run.open(path), Detector.load(path, device))
