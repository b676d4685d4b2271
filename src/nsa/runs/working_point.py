"""A detector's working point: labels at a wanted false positive rate, and what they come to."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nsa.detectors.detector import Detector
from nsa.folder import AnyRun
from nsa.images import Contents, Dataset
from nsa.metrics.conformal import achieved_rate
from nsa.runs.calibrate import Calibration
from nsa.runs.copies import kept_training_contents

if TYPE_CHECKING:  # those who only predict need no metrics
    from nsa.runs.evaluate import Evaluation

_log = logging.getLogger("nsa")

NORMAL, ANOMALOUS = "normal", "anomalous"
LABEL_COLUMNS = ("p_value", "label")


class Labels:
    """From a score to its p-value and its label at one false positive rate.

    Raises:
        InputError: the run is not calibrated, or not by enough images for the rate.
    """

    def __init__(self, run: Path, fpr: float) -> None:
        self._conformal = Calibration.read(run).threshold
        self._threshold = self._conformal.threshold(fpr)

    def __call__(self, score: float) -> tuple[float, str]:
        """p-value and label of a score."""
        p_value = float(self._conformal.p_value([score])[0])
        return p_value, ANOMALOUS if score > self._threshold else NORMAL


def add_working_point(
    detector: Detector,
    run: AnyRun,
    evaluation: Evaluation,
    dataset: Dataset,
    fpr: float | None = None,
) -> Evaluation:
    """The evaluation with the working point at ``fpr``, or at the rate of the training, if any.

    Raises:
        InputError: the run is not calibrated, or not by enough images for the rate.
    """
    fpr = detector.default_fpr if fpr is None else fpr
    if fpr is None:
        return evaluation
    calibration = Calibration.read(run.path)
    trained = kept_training_contents(run)
    point = working_point(detector, calibration, evaluation, dataset, fpr, trained)
    return dataclasses.replace(evaluation, working_point=point)


def working_point(
    detector: Detector,
    calibration: Calibration,
    evaluation: Evaluation,
    dataset: Dataset,
    fpr: float,
    trained: Contents | None = None,
) -> dict[str, Any]:
    """What a wanted false positive rate comes to on the test images, for ``metrics.json``.

    Test images that the threshold was made from do not count, nor do copies of training images,
    and of images with the same pixels one does.

    Args:
        trained: what the training images hold, where that is known.

    Returns:
        ``fpr`` as asked for, ``method``, ``held_out_images``, ``smallest_fpr``, ``threshold``;
        ``test_fpr`` and ``test_tpr``, the shares of normal and of defective test images above the
        threshold, None where there are none, and ``test_normal_images``, the number of the former;
        ``levels`` of a Gaussian detector, with the rate each achieves on the held-out images.

    Raises:
        InputError: ``fpr`` is out of range or too small for the calibration.
    """
    conformal = calibration.threshold
    threshold = conformal.threshold(fpr)
    fresh = _fresh(calibration, evaluation.contents, trained)
    good = np.array([sample.is_good for sample in dataset.test], dtype=bool)
    if not fresh.all():
        _log.warning(
            "%d test images were calibrated with or trained on, or are copies of others, and do "
            "not count for the achieved rates.",
            int((~fresh).sum()),
        )
    normal, defective = (evaluation.whole.scores[fresh & which] for which in (good, ~good))
    point: dict[str, Any] = {
        "fpr": fpr,
        "method": "conformal",
        "held_out_images": len(calibration.scores),
        "smallest_fpr": conformal.smallest_rate,
        "threshold": threshold,
        "test_fpr": achieved_rate(normal, threshold) if len(normal) else None,
        "test_tpr": achieved_rate(defective, threshold) if len(defective) else None,
        "test_normal_images": len(normal),
    }
    levels = detector.level_points(fpr)
    return {**point, "levels": levels} if levels else point


def _fresh(
    calibration: Calibration, contents: Contents, trained: Contents | None
) -> npt.NDArray[np.bool_]:
    """Which test images say something of a threshold: bool (N,)."""
    if calibration.contents is None:
        found, used = contents.paths, set(calibration.paths)
    else:
        found, used = contents.names(), set(calibration.contents)
    seen = {} if trained is None else contents.copies_of(trained)
    seen |= contents.copies()
    return np.array([name not in used and i not in seen for i, name in enumerate(found)], bool)


def describe(point: dict[str, Any]) -> str:
    """A working point in one sentence, as shown after an evaluation."""
    text = (
        f"False positive rate {point['fpr']:g}: anomalous above {point['threshold']:.6g} (from "
        f"{point['held_out_images']} held-out normal images)"
    )
    if point["test_fpr"] is not None:
        count = point["test_normal_images"]
        text += f"; {100 * point['test_fpr']:.1f} % of {count} normal test images are above it"
    if point["test_tpr"] is not None:
        text += f"; of the defective ones {100 * point['test_tpr']:.1f} %"
    return text + "."
