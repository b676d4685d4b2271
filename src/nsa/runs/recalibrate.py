"""Calibrate a run with what a person has said of images.

What that does to the guarantee depends on which images were judged. A false positive rate holds
for new normal images that are like those calibrated with: drawn alike, none picked. So

- where *all* images of a batch were judged, its good ones are such a draw, and rates hold as
  before, with more images and so smaller rates;
- where only images were judged that the run called anomalous, the good ones among them are the
  most anomalous normal images of many. Added to the others they move the threshold of a rate up,
  never down, so that still at most that rate is called anomalous, but perhaps far fewer, and more
  defects are missed. Simulated, 20 images and the false alarms of 200 more: 0.5 % for 5 %;
- where images that look odd were left unjudged, or called good only if the run said so, the rest
  is too normal, and nothing is guaranteed. Simulated, 20 images and those of 200 more that the run
  called normal: 8.8 % for 5 %;
- where the product or the camera has changed, the earlier images stand for what no longer comes;
  calibrate with good images of now alone (``--overwrite``).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nsa.detectors.detector import Detector
from nsa.errors import InputError
from nsa.folder import AnyRun
from nsa.images import Contents
from nsa.images.contents import example
from nsa.images.files import find_all_images, list_missing
from nsa.runs.calibrate import FILE, Calibration, calibrate, check_kept, without_held_out
from nsa.runs.copies import kept_training_contents
from nsa.runs.decisions import Decisions
from nsa.runs.ignoring import ignoring
from nsa.runs.judged_bad import Scores, found_of_bad, score_files
from nsa.runs.verdicts import Verdicts
from nsa.system.console import as_argument, counted
from nsa.system.mirror import fetch_all

_log = logging.getLogger("nsa")


def calibrate_by_verdicts(
    run: AnyRun,
    detector: Detector,
    inputs: Sequence[Path],
    source: Path,
    ignore: Path | None = None,
    *,
    overwrite: bool = False,
) -> tuple[Calibration, dict[str, Any] | None]:
    """Calibrate with normal images and those that were judged good, without those judged bad.

    Args:
        inputs: image files and folders of images; empty: those of the present calibration, which
            are judged again.
        source: the table of verdicts.
        ignore: as for :func:`nsa.runs.calibrate.calibrate`.
        overwrite: the result may lack images of the present calibration.

    Returns:
        The calibration, and what its threshold finds of the images that were judged bad, see
        :func:`nsa.runs.judged_bad.found_of_bad`; None: there are none.

    Raises:
        InputError: the table or an image cannot be used, a file of the present calibration is gone,
            or an image that was judged good was trained on.
    """
    verdicts = Verdicts.read(source)
    paths = find_all_images(inputs) if inputs else _present(run.path)
    known = {_place(path) for path in paths}
    paths += [path for path in verdicts.good if _place(path) not in known]
    if not overwrite:
        check_kept(run.path, paths)
    contents = Contents(verdicts.paths)
    ignored = ignoring(detector, ignore, [*paths, *verdicts.bad])
    scores = score_files(detector, verdicts.paths, contents, ignored)
    good, bad = verdicts.divide(contents)
    _warn_if_trained_on(bad, run)
    if (run.path / FILE).is_file():
        _say_if_picked(scores[: len(good)], Decisions.of(run.path, detector))
    if not paths:
        raise InputError(
            f"{source} judges no image good, and the run in {run.path} is not calibrated yet; name "
            "normal images to calibrate with, too."
        )
    calibration = calibrate(run, detector, paths, ignored, leave_out=bad)
    decisions = Decisions.of(run.path, detector)
    assert decisions is not None
    return calibration, found_of_bad(scores[len(good) :], decisions) if len(bad) else None


def _present(run: Path) -> list[Path]:
    """The images that a run is calibrated with; none where it is not.

    Raises:
        InputError: one is gone.
    """
    if not (run / FILE).is_file():
        return []
    paths = fetch_all(Calibration.read(run).paths)
    gone = [str(path) for path in paths if not path.is_file()]
    if gone:
        raise InputError(
            f"{len(gone)} of the {counted(len(paths), 'image')} that the run in {run} is "
            f"calibrated with {'is' if len(gone) == 1 else 'are'} gone, such as "
            f"{list_missing(gone, 1)}; name normal images: nsa calibrate {as_argument(run)} FOLDER "
            "--verdicts FILE --overwrite."
        )
    return paths


def _say_if_picked(good: Scores, decisions: Decisions | None) -> None:
    """Warn where the images judged good are no fair draw, as far as their scores tell."""
    assert decisions is not None
    if len(good) and bool(np.all(good > decisions.threshold)):
        _log.warning(
            "The run calls every image anomalous that was judged good (%s), so they are not like "
            "normal images in general: with them thresholds only move up, and fewer normal images "
            "than asked for, and fewer defects, will be found. Judge all images of a batch to have "
            "the rates that are asked for.", counted(len(good), "image"),
        )  # fmt: skip


def _warn_if_trained_on(bad: Contents, run: AnyRun) -> None:
    """Warn where a run has learnt that images judged bad are normal."""
    kept = kept_training_contents(run)
    trained = None if kept is None else without_held_out(run.path, kept)
    copies = {} if trained is None else bad.copies_of(trained)
    if trained is not None and copies:
        _log.warning(
            "%s was trained on %s judged bad, %s, and takes what they show for normal; remove "
            "them from the training images and train anew.",
            run.path, counted(len(copies), "image"), example(copies, bad, trained),
        )  # fmt: skip


def _place(path: Path) -> Path:
    return path.parent.resolve() / path.name
