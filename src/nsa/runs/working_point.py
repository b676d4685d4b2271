"""A detector's working point: labels at a wanted false positive rate, and what they come to."""

from __future__ import annotations

import dataclasses
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nsa.detectors.detector import Detector
from nsa.errors import InputError
from nsa.folder import AnyRun
from nsa.images import Contents, Dataset
from nsa.metrics.conformal import achieved_rate
from nsa.runs.calibrate import Calibration, read_pixels
from nsa.runs.copies import kept_training_contents

if TYPE_CHECKING:  # those who only predict need no metrics
    from nsa.runs.evaluate import Evaluation

_log = logging.getLogger("nsa")

NORMAL, ANOMALOUS = "normal", "anomalous"
LABEL_COLUMNS = ("p_value", "label")


def pixel_threshold(
    run: Path, mask_fpr: float | None = None, mask_share: float | None = None
) -> float | None:
    """Above which value of a map a pixel is defective; None: no rate is given.

    Args:
        mask_fpr: share of normal images that may have any such pixel.
        mask_share: share of a normal image's pixels that may be such, on average.

    Raises:
        InputError: both are given, or the run is not calibrated, or not by enough images.
    """
    if mask_fpr is not None and mask_share is not None:
        raise InputError(
            "--mask-fpr (normal images with any defective pixel) and --mask-share (defective pixels"
            " of normal images) are two thresholds; leave one of them out."
        )
    if mask_fpr is not None:
        return read_pixels(run).for_images(mask_fpr)
    return None if mask_share is None else read_pixels(run).for_pixels(mask_share)


@dataclass(frozen=True)
class PixelLimit:
    """Above which value of a map a pixel is defective, and the rate that it is for.

    Attributes:
        asked: ``fpr`` or ``share``, by name.
    """

    asked: dict[str, float]
    threshold: float


def pixel_limit(
    detector: Detector,
    run: AnyRun,
    fpr: float | None = None,
    mask_fpr: float | None = None,
    mask_share: float | None = None,
) -> PixelLimit | None:
    """:func:`pixel_threshold` for an evaluation.

    Where neither ``mask_fpr`` nor ``mask_share`` is given and the run's calibration knows of maps,
    ``mask_fpr`` is ``fpr``, or the rate of the training.

    Raises:
        InputError: as there.
    """
    threshold = pixel_threshold(run.path, mask_fpr, mask_share)
    if threshold is None:
        mask_fpr = detector.default_fpr if fpr is None else fpr
        if mask_fpr is None or not Calibration.read(run.path).knows_maps:
            return None
        threshold = pixel_threshold(run.path, mask_fpr)
        assert threshold is not None
    if mask_share is not None:
        return PixelLimit({"share": mask_share}, threshold)
    assert mask_fpr is not None
    return PixelLimit({"fpr": mask_fpr}, threshold)


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
    limit: PixelLimit | None = None,
) -> Evaluation:
    """The evaluation with the working point at ``fpr``, or at the rate of the training, if any.

    Args:
        limit: that the evaluation was made with.

    Raises:
        InputError: the run is not calibrated, or not by enough images for a rate.
    """
    fpr = detector.default_fpr if fpr is None else fpr
    if fpr is None and limit is None:
        return evaluation
    calibration = Calibration.read(run.path)
    trained = kept_training_contents(run)
    point: dict[str, Any] = {}
    if fpr is not None:
        point = working_point(detector, calibration, evaluation, dataset, fpr, trained)
    if limit is not None:
        fresh = _fresh(calibration, evaluation.contents, trained)
        point["pixels"] = {
            **limit.asked,
            **pixel_point(evaluation, dataset, limit.threshold, fresh),
        }
    return dataclasses.replace(evaluation, working_point=point)


def pixel_point(
    evaluation: Evaluation, dataset: Dataset, threshold: float, fresh: npt.NDArray[np.bool_]
) -> dict[str, Any]:
    """What a pixel threshold comes to on the normal test images, at their own resolution.

    Args:
        evaluation: made with this threshold.
        fresh: (N,), which test images count.

    Returns:
        ``threshold``; ``test_share``, the mean share of an image's pixels above it, and
        ``test_fpr``, the share of images with any, both None where there are no images, and
        ``test_normal_images``, their number.
    """
    assert evaluation.above is not None
    good = np.array([sample.is_good for sample in dataset.test], dtype=bool)
    shares = evaluation.above[good & fresh]
    return {
        "threshold": threshold,
        "test_share": float(shares.mean()) if len(shares) else None,
        "test_fpr": float((shares > 0).mean()) if len(shares) else None,
        "test_normal_images": len(shares),
    }


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
    """A working point in a sentence or two, as shown after an evaluation."""
    texts = [_describe_images(point)] if "threshold" in point else []
    return " ".join(texts + ([_describe_pixels(point["pixels"])] if "pixels" in point else []))


def _describe_images(point: dict[str, Any]) -> str:
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


def _describe_pixels(point: dict[str, Any]) -> str:
    asked = (
        f"{point['fpr']:g} of normal images" if "fpr" in point
        else f"{point['share']:g} of a normal image"
    )  # fmt: skip
    text = f"Pixels, for {asked} at most: defective above {point['threshold']:.6g}"
    if point["test_share"] is not None:
        text += (
            f"; {100 * point['test_share']:.2g} % of {point['test_normal_images']} normal test "
            f"images is above it, some of {100 * point['test_fpr']:.1f} % of them"
        )
    return text + "."
