"""A detector's working point: labels at a wanted false positive rate, and what they come to."""

from __future__ import annotations

import dataclasses
import logging
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nsa.detectors.detector import Detector
from nsa.folder import AnyRun
from nsa.images import Contents, Dataset
from nsa.metrics.conformal import achieved_rate, rate_text
from nsa.runs.calibrate import Calibration
from nsa.runs.copies import kept_training_contents
from nsa.runs.decisions import Decisions
from nsa.runs.judged_bad import describe_found, found_of_kept
from nsa.system.console import counted

if TYPE_CHECKING:  # those who only predict need no metrics
    from nsa.runs.evaluate import Evaluation

_log = logging.getLogger("nsa")


def add_working_point(
    detector: Detector,
    run: AnyRun,
    evaluation: Evaluation,
    dataset: Dataset,
    decisions: Decisions | None,
) -> Evaluation:
    """The evaluation with what the run's decisions come to, where there are any.

    Args:
        decisions: with whose pixel threshold the evaluation was made.

    Raises:
        InputError: the run's calibration is damaged.
    """
    if decisions is None:
        return evaluation
    calibration = Calibration.read(run.path)
    trained = kept_training_contents(run)
    point = working_point(detector, calibration, evaluation, dataset, decisions.fpr, trained)
    limit = decisions.pixels
    if limit is not None:
        fresh = _fresh(calibration, evaluation.contents, trained)
        point["pixels"] = {
            limit.of: limit.rate,
            **pixel_point(evaluation, dataset, limit.threshold, fresh),
        }
    found = found_of_kept(run.path, detector, decisions, dataset.ignored)
    if found is not None:
        point["judged_bad"] = found
    return dataclasses.replace(evaluation, working_point=point, decisions=decisions)


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
    texts += [_describe_pixels(point["pixels"])] if "pixels" in point else []
    texts += [describe_found(point["judged_bad"])] if "judged_bad" in point else []
    return " ".join(texts)


def _describe_images(point: dict[str, Any]) -> str:
    text = (
        f"False positive rate {rate_text(point['fpr'])}: anomalous above "
        f"{point['threshold']:.6g} (from "
        f"{counted(point['held_out_images'], 'held-out normal image')})"
    )
    if point["test_fpr"] is not None:
        count = point["test_normal_images"]
        text += f"; {100 * point['test_fpr']:.1f} % of {count} normal test images are above it"
    if point["test_tpr"] is not None:
        text += f"; of the defective ones {100 * point['test_tpr']:.1f} %"
    return text + "."


def _describe_pixels(point: dict[str, Any]) -> str:
    asked = (
        f"{rate_text(point['fpr'])} of normal images" if "fpr" in point
        else f"{point['share']:.4g} of a normal image"
    )  # fmt: skip
    text = f"Pixels, for {asked} at most: defective above {point['threshold']:.6g}"
    if point["test_share"] is not None:
        percent = 100 * point["test_share"]
        told = "less than 0.001" if 0 < percent < 0.001 else f"{percent:.2g}"
        text += (
            f"; above it are {told} % of the pixels of {point['test_normal_images']} normal test "
            f"images, and some of {100 * point['test_fpr']:.1f} % of these images"
        )
    return text + "."
