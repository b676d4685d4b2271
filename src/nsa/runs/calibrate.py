"""The working point of any detector: from held-out normal images to labels at a wanted rate.

A run folder keeps the scores in ``calibration.csv``. They are those of whole images, as ``nsa
predict`` gives them. See :class:`nsa.metrics.conformal.ConformalThreshold` for what is guaranteed.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from nsa.detectors.detector import Detector, Scored, check_scores
from nsa.errors import InputError
from nsa.folder import CONTENTS, AnyRun
from nsa.images import Contents, Dataset, load_images
from nsa.images.files import find_all_images
from nsa.metrics.conformal import ConformalThreshold, achieved_rate, images_needed
from nsa.runs.copies import (
    TOO_LOW,
    find_training_contents,
    kept_training_contents,
    refuse_training_images,
    warn_about_near,
    warn_about_near_pairs,
)
from nsa.settings.fields import reading
from nsa.system.console import as_argument, console, counted
from nsa.system.files import write_csv
from nsa.system.lock import FolderLock
from nsa.system.readers import parse_number, read_csv

if TYPE_CHECKING:  # those who only predict need no metrics
    from nsa.runs.evaluate import Evaluation

_log = logging.getLogger("nsa")

FILE = "calibration.csv"
RATES = (0.1, 0.05, 0.02, 0.01, 0.005, 0.001)
_DIGITS = 32  # of a digest of an image's content
NORMAL, ANOMALOUS = "normal", "anomalous"
LABEL_COLUMNS = ("p_value", "label")


@dataclass(frozen=True)
class Calibration:
    """Scores of normal images that were not trained on.

    Attributes:
        paths: their files, absolute.
        scores: float64 (n,), higher is more anomalous.
        contents: digests of their pixels; None: not known, as in files of earlier versions.
        rounding: see :class:`nsa.detectors.detector.Detector`.
    """

    paths: list[str]
    scores: npt.NDArray[np.float64]
    contents: list[str] | None = None
    rounding: float | None = None

    @classmethod
    def read(cls, run: Path) -> Calibration:
        """What ``nsa calibrate`` (or a training with ``--fpr``) left in a run folder.

        Raises:
            InputError: there is nothing yet, or it is damaged.
        """
        path = run / FILE
        if not path.is_file():
            raise InputError(
                f"The run in {run} is not calibrated, so no false positive rate can be set; nsa "
                f"calibrate {as_argument(run)} FOLDER does that, with normal images that were not "
                "trained on."
            )
        rows = read_csv(path, ("path", "score"))
        with reading(path, "run nsa calibrate again, with --overwrite"):
            scores = np.array([parse_number(row["score"], "score") for row in rows])
            ConformalThreshold(scores)  # at least one
            if any(row.get("of", str(len(rows))) != str(len(rows)) for row in rows):
                raise InputError(f"it has {counted(len(rows), 'image')} of {rows[0]['of']}")
            if any(len(row.get("content", " " * _DIGITS)) != _DIGITS for row in rows):
                raise InputError("it has no digest of an image's content")
            given = {row["rounding"] for row in rows if "rounding" in row}
            roundings = [parse_number(one, "rounding") for one in given]
            if len(roundings) > 1 or any(not one > 0 for one in roundings):
                raise InputError("its images have different roundings, or one that is not above 0")
        named = "content" in rows[0]
        contents = [row["content"] for row in rows] if named else None
        rounding = roundings[0] if roundings else None
        return cls([row["path"] for row in rows], scores, contents, rounding)

    def write(self, run: Path) -> None:
        """Keep it in a run folder, in place of an earlier one.

        Raises:
            InputError: the folder cannot be written to.
        """
        # "of" tells a file that has lost lines, which would move the threshold.
        columns: dict[str, Sequence[Any]] = {"path": self.paths, "score": self.scores.tolist()}
        columns["of"] = [len(self.paths)] * len(self.paths)
        if self.rounding is not None:
            columns["rounding"] = [self.rounding] * len(self.paths)
        if self.contents is not None:
            columns["content"] = self.contents
        write_csv(run / FILE, tuple(columns), zip(*columns.values(), strict=True))

    @property
    def threshold(self) -> ConformalThreshold:
        """Thresholds and p-values from these scores."""
        return ConformalThreshold(self.scores, self.rounding)

    def table(self) -> list[tuple[float, float | None, int]]:
        """Common rates: rate, threshold (None: too few images), images that the rate needs."""
        smallest, rows = self.threshold.smallest_rate, []
        for rate in RATES:
            needed = images_needed(rate)
            possible = needed <= len(self.scores)
            rows.append((rate, self.threshold.threshold(rate) if possible else None, needed))
        if smallest < RATES[0] and smallest not in RATES:
            rows.append((smallest, self.threshold.threshold(smallest), len(self.scores)))
        return sorted(rows, reverse=True, key=lambda row: row[0])


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


def check_kept(run: Path, inputs: Sequence[Path]) -> None:
    """Refuse to replace the calibration of a run by one that lacks some of its images.

    Raises:
        InputError: it would be replaced, or what is there is no calibration, or damaged.
    """
    if not (run / FILE).is_file():
        return
    earlier = Calibration.read(run).paths
    named = {str(path.resolve()) for path in find_all_images(inputs)}
    lacking = len(set(earlier) - named)
    if lacking:
        raise InputError(
            f"The run in {run} is calibrated already, by {counted(len(earlier), 'image')} of which "
            f"{lacking} are not among these; name those too, or replace them with --overwrite."
        )


def calibrate(run: AnyRun, detector: Detector, inputs: Sequence[Path]) -> Calibration:
    """Score normal images and keep the scores in the detector's run folder.

    Of images with the same pixels one counts.

    Args:
        inputs: image files and folders of images.

    Raises:
        InputError: an image cannot be read, was trained on, or is named twice.
    """
    paths = find_all_images(inputs)
    contents = Contents(paths)
    images = load_images(
        paths, detector.size, detector.channels, console.is_terminal, contents=contents
    )
    trained = find_training_contents(run, detector.channels)
    if trained is not None:
        refuse_training_images(contents, trained)
    rows = contents.different("images")
    if len(rows) < len(paths):
        images, contents = images[rows], contents.take(rows)
    if trained is not None:
        warn_about_near(contents, trained, "images", TOO_LOW)
        warn_about_near_pairs(contents, trained)
    say_if_scaled(detector, contents)
    scores = detector.calibrate(images)
    no_maps = torch.empty(len(scores), 0, 0, device="cpu")
    check_scores(Scored(torch.from_numpy(scores), no_maps), contents.paths)
    calibration = Calibration(contents.paths, scores, contents.names(), detector.rounding)
    with FolderLock(run.path):
        if trained is not None and not (run.path / CONTENTS).exists():
            trained.write(run.path / CONTENTS)
        detector.save_calibration(run.path)
        calibration.write(run.path)
    return calibration


def say_if_scaled(detector: Detector, contents: Contents) -> None:
    """Say how many of the images to calibrate with set the scales of an ensemble's members, too."""
    count = sum(name in detector.scaled_by for name in contents.names())
    if count:
        # Simulated, two and three members, 19 to 99 images: 5.1 % for 5 % at most.
        _log.info(
            "%d of the %d images to calibrate with also set the scales of the members, so false "
            "positive rates hold nearly (5.1 %% for 5 %%); with other images nsa calibrate makes "
            "them strict.", count, len(contents),
        )  # fmt: skip


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
    normal, defective = (evaluation.whole_scores[fresh & which] for which in (good, ~good))
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
