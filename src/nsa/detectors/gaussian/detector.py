"""A fitted Gaussian detector with its settings: images in, scores and maps out."""

from __future__ import annotations

import functools
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from nsa.detectors.detector import Calibrated, Detector, Scored, levels_of
from nsa.detectors.gaussian import storage
from nsa.detectors.gaussian.deployed import MapsAndScores, graph_of
from nsa.detectors.gaussian.folder import GaussianRun
from nsa.detectors.gaussian.settings import GaussianSettings
from nsa.detectors.hidden import counting, part_of
from nsa.errors import InputError
from nsa.gaussian.detector import GaussianDetector
from nsa.gaussian.heat_maps import heat_maps, image_scores
from nsa.gaussian.map_model import positions_within
from nsa.graphs.kept import open_kept
from nsa.graphs.session import Session
from nsa.images.ignored import paint
from nsa.system.console import as_argument, console
from nsa.system.device import choose_device
from nsa.system.pace import Pace

_log = logging.getLogger("nsa")

# Of the distances of normal images' positions, which are about 1.
_MAP_RANGE = (1.5, 6.0)


class FittedGaussian(Detector):
    """Scores and heat maps of images by their distances from normal features.

    Attributes:
        settings: the settings of its run.
        gaussian: the distributions of whole images.
        heat_map: the distributions of positions.
        extractor: of the detector, with its network.
    """

    map_range = _MAP_RANGE

    def __init__(self, gaussian: GaussianDetector, settings: GaussianSettings, path: Path) -> None:
        if gaussian.extractor is None or gaussian.heat_map is None:
            raise InputError(f"The detector in {path} lacks its network or maps; train it again.")
        self.gaussian, self.settings = gaussian, settings
        self.extractor, self.heat_map = gaussian.extractor, gaussian.heat_map
        self.size = settings.size
        self.channels = settings.gaussian.channels or self.extractor.network.channels
        self.levels = settings.gaussian.levels
        self.default_fpr = settings.gaussian.fpr
        self._path, self._pace = path, Pace()
        self._session: Session | None = None

    def score(self, images: Tensor, ignored: Tensor | None = None) -> Scored:
        """See :meth:`Detector.score`."""
        return self._score(images, ignored)[0]

    def calibrate(
        self,
        images: Tensor,
        shapes: Sequence[tuple[int, int]],
        ignored: Tensor | None = None,
    ) -> Calibrated:
        """See :meth:`Detector.calibrate`; the distances of every level are kept in the detector."""
        scores, levels, distances = [], [], []
        size = self.extractor.batch_size
        for first in range(0, len(images), size):
            part = slice(first, first + size)
            scored, of_levels = self._score(images[part], part_of(ignored, part))
            scores.append(scored.scores)
            levels.append(levels_of(scored.maps, shapes[part]))
            distances.append(of_levels)
        self.gaussian.calibration = torch.cat(distances)
        return Calibrated(torch.cat(scores).numpy(), np.concatenate(levels))

    def be_quiet(self) -> None:
        """See :meth:`Detector.be_quiet`."""
        self.extractor.progress = False

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
        self._say_precision("the file")
        height, width = self.size
        outputs = {"maps": f"float32 (N, {height}, {width})", "scores": "float64 (N)"}
        deployed = MapsAndScores(self.gaussian, self.heat_map, self.settings, self.hidden())
        return deployed, outputs

    def use_onnxruntime(self, folder: Path) -> None:
        """See :meth:`Detector.use_onnxruntime`."""
        self._say_precision("ONNX Runtime")
        graph = graph_of(self.gaussian, self.heat_map, self.size, self.channels)
        self._session = open_kept(folder, graph)

    def _say_precision(self, other: str) -> None:
        if self.extractor.precision == "bfloat16":
            _log.warning(
                "%s computes its features in bfloat16, %s in float32: scores differ by some 0.4 "
                "%%.", self._path, other,
            )  # fmt: skip

    def _score(self, images: Tensor, ignored: Tensor | None = None) -> tuple[Scored, Tensor]:
        """What it says, and the distances of every level, float64 (N, levels)."""
        scores, maps, levels = [], [], []
        every, size = self.hidden(ignored), self.extractor.batch_size
        for first in range(0, len(images), size):
            part = slice(first, first + size)
            batch = images[part]
            work = functools.partial(self._judge_batch, batch, part_of(every, part))
            paced = self._session is not None or self.extractor.same_for_any_threads
            score, found, of_levels = self._pace.run(work, len(batch)) if paced else work()
            scores.append(score)
            maps.append(found)
            levels.append(of_levels)
        if not scores:
            none = torch.empty(0, dtype=torch.float64, device="cpu")
            return Scored(none, none.float().reshape(0, *self.size)), none.reshape(0, 0)
        return Scored(torch.cat(scores), torch.cat(maps)), torch.cat(levels)

    def _judge_batch(self, images: Tensor, hidden: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Scores, maps and the distances of every level of images that fit into memory at once."""
        images = paint(images, hidden)
        if self._session is not None:
            levels, distances, found = self._session(images)
        else:
            features, positions = self.extractor.see(images, self.heat_map.grid)
            levels = self.gaussian.level_scores(features)
            distances = self.heat_map.distances(positions)
            found = heat_maps(distances, self.size)
        maps = found if hidden is None else found.masked_fill(hidden, 0.0)
        return self._image_scores(levels, distances, hidden), maps, levels

    def _image_scores(self, levels: Tensor, distances: Tensor, hidden: Tensor | None) -> Tensor:
        """Scores by the positions that count."""
        score = self.settings.gaussian.score
        if hidden is None:
            return image_scores(levels, distances, score)
        parts = counting(distances, positions_within(hidden, self.heat_map.grid))
        rows = torch.split(levels, len(levels) // len(parts))
        return torch.cat(
            [image_scores(one, part, score) for one, part in zip(rows, parts, strict=True)]
        )


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
