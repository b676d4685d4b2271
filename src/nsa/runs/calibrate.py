"""The working point of any detector: from held-out normal images to labels at a wanted rate.

A run folder keeps the scores in ``calibration.csv``, and what pixel thresholds need of the maps in
``calibration_pixels.safetensors``. They are those of whole images, as ``nsa predict`` gives them.
See :class:`nsa.metrics.conformal.ConformalThreshold` and
:class:`nsa.metrics.conformal_pixels.PixelThresholds` for what is guaranteed.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from nsa.detectors.detector import Calibrated, Detector, Scored, check_scores
from nsa.errors import InputError
from nsa.folder import CONTENTS, AnyRun
from nsa.images import Contents, load_images
from nsa.images.decode import own_shapes
from nsa.images.files import find_all_images
from nsa.images.ignored import Ignored
from nsa.images.load import load_contents
from nsa.metrics.conformal import ConformalThreshold, images_needed
from nsa.metrics.conformal_pixels import MapLevels, PixelThresholds
from nsa.model.weights import read_tensors, write_tensors
from nsa.runs.copies import (
    TOO_LOW,
    find_training_contents,
    kept_held_out,
    refuse_training_images,
    warn_about_near,
    warn_about_near_pairs,
)
from nsa.runs.ignoring import ignored_of, ignoring, keep_ignored
from nsa.settings.fields import reading
from nsa.system.console import as_argument, console, counted
from nsa.system.files import write_csv
from nsa.system.lock import FolderLock
from nsa.system.places import named, unnamed
from nsa.system.progress import progress_bar
from nsa.system.readers import parse_number, read_csv

_log = logging.getLogger("nsa")

FILE, PIXELS_FILE = "calibration.csv", "calibration_pixels.safetensors"
_MAXIMUM, _OWN = "map_maximum", "held_out_by_training"
_LEVELS = "levels"
RATES = (0.1, 0.05, 0.02, 0.01, 0.005, 0.001)
_ENOUGH = 5  # images, of which one may be unlike the others
_DIGITS = 32  # of a digest of an image's content


@dataclass(frozen=True)
class Calibration:
    """What a detector says of normal images that were not trained on.

    Attributes:
        paths: their files, absolute.
        scores: float64 (n,), higher is more anomalous.
        contents: digests of their pixels; None: not known, as in files of earlier versions.
        rounding: see :class:`nsa.detectors.detector.Detector`.
        levels: of their maps, see :class:`nsa.detectors.detector.Calibrated`; None: not read, which
            :func:`read_pixels` does.
        knows_maps: whether they are there to be read.
        by_training: whether the images are those that the training itself held out.
    """

    paths: list[str]
    scores: npt.NDArray[np.float64]
    contents: list[str] | None = None
    rounding: float | None = None
    levels: MapLevels | None = None
    knows_maps: bool = False
    by_training: bool = False

    @classmethod
    def of(
        cls, contents: Contents, said: Calibrated, detector: Detector, *, by_training: bool = False
    ) -> Calibration:
        """From what a detector says of images."""
        names, rounding = contents.names(), detector.rounding
        return cls(
            contents.paths, said.scores, names, rounding, said.levels,
            knows_maps=True, by_training=by_training,
        )  # fmt: skip

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
        contents = [row["content"] for row in rows] if "content" in rows[0] else None
        rounding = roundings[0] if roundings else None
        paths, knows_maps = [unnamed(row["path"]) for row in rows], _MAXIMUM in rows[0]
        return cls(
            paths, scores, contents, rounding, knows_maps=knows_maps, by_training=_OWN in rows[0]
        )

    def write(self, run: Path) -> None:
        """Keep it in a run folder, in place of an earlier one.

        Raises:
            InputError: the folder cannot be written to.
        """
        # "of" tells a file that has lost lines, which would move the threshold.
        columns: dict[str, Sequence[Any]] = {
            "path": [named(Path(path)) for path in self.paths],
            "score": self.scores.tolist(),
        }
        columns["of"] = [len(self.paths)] * len(self.paths)
        if self.rounding is not None:
            columns["rounding"] = [self.rounding] * len(self.paths)
        if self.levels is not None:
            columns[_MAXIMUM] = self.levels[:, 0].tolist()
            write_tensors(run / PIXELS_FILE, {_LEVELS: torch.from_numpy(self.levels)})
        if self.by_training:
            columns[_OWN] = [1] * len(self.paths)
        if self.contents is not None:
            columns["content"] = self.contents  # last: of a cut line it is too short
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


def read_pixels(run: Path) -> PixelThresholds:
    """Pixel thresholds from the images that a run is calibrated with.

    Raises:
        InputError: there are none, or by a version that kept nothing of maps, or they are damaged.
    """
    known, remedy = Calibration.read(run).knows_maps, "run nsa calibrate again, with --overwrite"
    if not known:
        raise InputError(
            f"The calibration of {run} is of an earlier version, which kept scores alone, so no "
            f"pixel can be called defective by it; {remedy}."
        )
    if not (run / PIXELS_FILE).is_file():
        raise InputError(f"{run / PIXELS_FILE} is gone, which belongs to {FILE}; {remedy}.")
    rows = read_csv(run / FILE, (_MAXIMUM,))
    levels = read_tensors(run / PIXELS_FILE)[0].get(_LEVELS)
    with reading(run / PIXELS_FILE, remedy):
        if levels is None:
            raise InputError(f"it holds no {_LEVELS}")
        thresholds = PixelThresholds(levels)
        # In float32, where what a table says of a number is the number itself.
        maxima = [np.float32(parse_number(row[_MAXIMUM], _MAXIMUM)) for row in rows]
        if levels[:, 0].tolist() != maxima:
            raise InputError(f"it is of other images than {FILE}")
    return thresholds


def check_kept(run: Path, inputs: Sequence[Path]) -> None:
    """Refuse to replace the calibration of a run by one that lacks some of its images.

    That by images which the training held out itself may be replaced: nobody has chosen those.

    Raises:
        InputError: it would be replaced, or what is there is no calibration, or damaged.
    """
    if not (run / FILE).is_file():
        return
    there = Calibration.read(run)
    if there.by_training:
        return
    earlier = there.paths
    these = {str(path.resolve()) for path in find_all_images(inputs)}
    lacking = len(set(earlier) - these)
    if lacking:
        raise InputError(
            f"The run in {run} is calibrated already, by {counted(len(earlier), 'image')} of which "
            f"{lacking} are not among these; name those too, or replace them with --overwrite."
        )


def calibrate(
    run: AnyRun,
    detector: Detector,
    inputs: Sequence[Path],
    ignore: Path | Ignored | None = None,
    leave_out: Contents | None = None,
) -> Calibration:
    """Score normal images and keep the scores in the detector's run folder.

    Of images with the same pixels one counts.

    Args:
        detector: loaded without what an earlier calibration ignored.
        inputs: image files and folders of images.
        ignore: what does not count beside what the training ignored: a mask for all images, which
            is kept with the calibration and ignored by the run from then on, or a folder of masks
            of these images.
        leave_out: images that do not count, nor do copies of them.

    Raises:
        InputError: an image or a mask cannot be used, an image was trained on or is named twice, or
            none is left.
    """
    paths = find_all_images(inputs)
    ignored = ignoring(detector, ignore, paths)
    progress, images = console.is_terminal, None
    if detector.resize == "stretch":
        contents = Contents(paths)
        images = load_images(
            paths, detector.size, detector.channels, progress, contents=contents,
            levels=detector.levels,
        )  # fmt: skip
    else:
        contents = load_contents(paths, detector.channels, progress, detector.levels)
    known = find_training_contents(run, detector)
    trained = None if known is None else without_held_out(run.path, known)
    if trained is not None:
        refuse_training_images(contents, trained)
    rows = contents.different("images")
    if leave_out is not None:
        bad = contents.copies_of(leave_out)
        rows = [row for row in rows if row not in bad]
        _say_left_out(len(bad), len(paths), len(rows))
    if len(rows) < len(paths):
        contents = contents.take(rows)
        images = None if images is None else images[rows]
    if trained is not None:
        warn_about_near(contents, trained, "images", TOO_LOW)
        warn_about_near_pairs(contents, trained)
    say_if_scaled(detector, contents)
    if images is None:
        with progress_bar("Judging images", len(rows), shown=progress) as bar:
            said = detector.calibrate_files([paths[row] for row in rows], bar.advance, ignored)
    else:
        hidden = ignored_of(detector, [paths[row] for row in rows], ignored)
        said = detector.calibrate(images, own_shapes(contents.paths), hidden)
    check_scores(
        Scored(torch.from_numpy(said.scores), torch.from_numpy(said.levels)[:, None]),
        contents.paths,
    )
    calibration = Calibration.of(contents, said, detector)
    warn_about_outlier(calibration)
    with FolderLock(run.path):
        if known is not None and not (run.path / CONTENTS).exists():
            known.write(run.path / CONTENTS)
        detector.save_calibration(run.path)
        keep_ignored(run.path, detector)
        calibration.write(run.path)
    return calibration


def warn_about_outlier(calibration: Calibration) -> None:
    """Name the image that sets the smallest rate alone, if its score is far from all others.

    Far is twice as far from the second highest as that is from the middle. Of scores that fall off
    exponentially one calibration in a hundred has such an image by chance.
    """
    scores = np.sort(calibration.scores)
    if len(scores) < _ENOUGH:
        return
    middle = float(np.median(scores))
    if scores[-1] - scores[-2] > 2 * max(scores[-2] - middle, 0):
        path = calibration.paths[int(np.argmax(calibration.scores))]
        _log.warning(
            "%s has a raw score of %.4g, and the next highest is %.4g: if it shows a defect, "
            "calibrate without it, since it alone sets the threshold of the smallest rate.",
            path, scores[-1], scores[-2],
        )  # fmt: skip


def without_held_out(run: Path, trained: Contents) -> Contents:
    """Training images without those that were held out.

    Of older runs they are known as long as they calibrate the run.

    Raises:
        InputError: the file that names them is damaged.
    """
    held = kept_held_out(run)
    known = set() if held is None else set(held.names())
    with contextlib.suppress(InputError):  # damaged, to be replaced
        known |= set(Calibration.read(run).contents or []) if (run / FILE).is_file() else set()
    return trained.take([row for row, name in enumerate(trained.names()) if name not in known])


def _say_left_out(bad: int, count: int, left: int) -> None:
    """Say how many images are not calibrated with because they were judged bad.

    Raises:
        InputError: none is left.
    """
    if not left:
        raise InputError("All images to calibrate with are judged bad; name normal images.")
    if bad:
        _log.info("%d of %d images are judged bad and do not calibrate.", bad, count)


def say_if_scaled(detector: Detector, contents: Contents) -> None:
    """Say how many of the images to calibrate with set the scales of an ensemble's members, too."""
    count = sum(name in detector.scaled_by for name in contents.names())
    if count:
        # Simulated, two and three members, 19 to 99 images: 5.1 % for 5 % at most.
        _log.info(
            "%d of the %d images to calibrate with also set the scales of the members, so false "
            "positive rates hold nearly (5.1 %% for 5 %%); with other images nsa calibrate "
            "--overwrite makes them strict.", count, len(contents),
        )  # fmt: skip
