"""From a run that has begun to a finished one: load, train, evaluate, and keep the results."""

from __future__ import annotations

import dataclasses
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nsa.detectors.detector import Calibrated, Detector
from nsa.detectors.method import Compound, Fitted, Fitting, Part
from nsa.detectors.registry import config_name, load
from nsa.errors import InputError
from nsa.folder import HELD_OUT, IGNORED, MEMBERS, AnyRun, change_run, create_run
from nsa.images import Contents, Dataset, LoadedTest, load_test_set
from nsa.images.test_set import check_shapes, check_test_set
from nsa.loggers.log import TrainingLog, flat, open_log
from nsa.runs.calibrate import FILE as CALIBRATION
from nsa.runs.calibrate import Calibration, calibrate, say_if_scaled, warn_about_outlier
from nsa.runs.copies import (
    TOO_LOW,
    keep_training_contents,
    kept_training_contents,
    warn_about_held_out,
    warn_about_near,
    warn_about_test,
)
from nsa.runs.decisions import Decisions, pixel_threshold
from nsa.runs.evaluate import Evaluation, evaluate, write_evaluation
from nsa.runs.working_point import add_working_point
from nsa.settings.options import TrainRequest
from nsa.system.console import as_argument, console, counted
from nsa.system.files import make_folder
from nsa.system.interrupt import Interrupted
from nsa.system.lock import FolderLock, empty_folder
from nsa.system.progress import Stages
from nsa.system.readers import read_json

_log = logging.getLogger("nsa")


@dataclass(frozen=True)
class Trained:
    """A finished run: its folder and what the test images gave."""

    run: AnyRun
    evaluation: Evaluation


def work(
    run: AnyRun, dataset: Dataset, fitting: Fitting[Any], further: str | None = None
) -> Trained:
    """Load all images, train what is left to train, then evaluate.

    Args:
        run: begun, and locked.
        dataset: the images.
        fitting: what to do with them.
        further: how to go on where the results of a training cannot be written; None: ``--resume``.

    Raises:
        InputError: an image or the run folder cannot be used, or nothing can be trained.
        Interrupted: a signal stopped the training; its state is saved.
    """
    _keep_ignored(run, dataset)
    if dataset.ignored is not None:
        dataset.ignored.check_sizes([sample.path for sample in dataset.test])
    # The test set too, so that its faults are no surprise after the training.
    test: LoadedTest | Contents
    how = fitting.channels, console.is_terminal, fitting.levels
    if fitting.resize == "stretch":
        test = load_test_set(dataset.test, fitting.test_size, *how)
    else:
        check_shapes(dataset.test, fitting.check_shape)
        test = check_test_set(dataset.test, *how)
    if not isinstance(fitting, Compound):
        return _complete(run, dataset, fitting, test, further)
    kept, held_out = fitting.divide(run, dataset)
    with Stages([*(part.name for part in fitting.parts), "both together"]) as stages:
        for part in fitting.parts:
            with stages.next():
                _complete_part(run, part, kept, held_out)
        with stages.next():
            return _complete(run, dataset, fitting, test, further)


def _complete(
    run: AnyRun,
    dataset: Dataset,
    fitting: Fitting[Any],
    test: LoadedTest | Contents,
    further: str | None,
) -> Trained:
    """See :func:`work`, with the test set loaded, or checked, and all parts there."""
    tested = test if isinstance(test, Contents) else test.contents
    fitting.load(run, dataset)
    contents = fitting.contents
    if contents is None:
        contents = kept_training_contents(run)
    else:
        keep_training_contents(run.path, contents)
    warn_about_test(dataset.test, tested, contents)
    settings = {**run.places, **run.settings.to_dict()}
    with open_log(run_loggers(run), run.path, _title(run.path), settings) as log:
        fitting.log = log
        return _fit(run, dataset, fitting, test, tested, contents, further)


def _fit(
    run: AnyRun,
    dataset: Dataset,
    fitting: Fitting[Any],
    test: LoadedTest | Contents,
    tested: Contents,
    contents: Contents | None,
    further: str | None,
) -> Trained:
    """See :func:`work`, with the training images loaded, too: what they hold is ``contents``."""
    fitted = fitting.fit(run, dataset)
    fitted.detector.ignore(dataset.ignored)
    try:
        calibrated = fitting.complete and (run.path / CALIBRATION).is_file()  # perhaps by others
        if fitted.held_out is not None and not calibrated:
            _keep_held_out(run, contents, *fitted.held_out, fitted.detector)
            warn_about_held_out(tested, fitted.held_out[0])
            say_if_scaled(fitted.detector, fitted.held_out[0])
        decisions = Decisions.of(run.path, fitted.detector)
        if decisions is None:
            _say_validation(run, dataset)
        result = evaluate(fitted.detector, dataset, test, pixel_threshold(decisions))
        result = add_working_point(fitted.detector, run, result, dataset, decisions)
        write_evaluation(run, result, dataset, fitted.times)
        fitting.finish(run)
        _log_results(run, fitting.log, fitted, decisions)
    except InputError as error:
        further = further or (
            f"The training itself is saved; nsa train --resume {as_argument(run.path)} does the "
            "rest."
        )
        raise InputError(f"{error} {further}") from error
    return Trained(run, result)


def run_loggers(run: AnyRun) -> tuple[str, ...]:
    """Names of what a run's training also reports to."""
    return TrainRequest.read({"logger": run.places.get("logger")}).loggers()


def _title(path: Path) -> str:
    """What a run is called among others; a part goes with its whole."""
    whole = path.absolute().parent
    return f"{whole.parent.name}/{path.name}" if whole.name == MEMBERS else path.name


def _log_results(
    run: AnyRun, log: TrainingLog, fitted: Fitted, decisions: Decisions | None
) -> None:
    """Tell a log all numbers that are final, and the pictures."""
    report = read_json(run.path / "metrics.json")
    kept = ("configuration", "hardware", "versions", "not_computed", "test_images", "times")
    told = flat({"test": {name: value for name, value in report.items() if name not in kept}})
    told |= flat({"times": report["times"]})
    if fitted.held_out is not None:
        scores = fitted.held_out[1].scores
        held_out = {"images": len(scores), "mean_score": scores.mean(), "highest": scores.max()}
        told |= flat({"held_out": held_out})
    if decisions is not None:
        told |= flat({"decisions": {"threshold": decisions.threshold, "fpr": decisions.fpr}})
    numbers = {
        name.replace(".", "/"): float(value)
        for name, value in told.items()
        if not isinstance(value, str | bool)
    }
    log.results(numbers)
    for name in ("examples.png", "loss.png"):
        if (run.path / name).is_file():
            log.picture(run.path / name)


def _keep_ignored(run: AnyRun, dataset: Dataset) -> None:
    """Keep a mask for all images in the run folder, before anything is done by it."""
    path, ignored = run.path / IGNORED, dataset.ignored
    if ignored is not None and ignored.one is not None and not path.is_file():
        ignored.write(path)


def _complete_part(run: AnyRun, part: Part, kept: Dataset, held_out: Contents) -> None:
    """Train what is not finished of a run's part, a run of its own, and calibrate it.

    Raises:
        InputError: it cannot be trained.
        Interrupted: a signal stopped it; its state is saved.
    """
    folder = run.path / MEMBERS / part.name
    if (folder / CALIBRATION).is_file():  # which comes last
        return
    try:
        trained = _train_part(run, part, kept)
        detector = load(folder, run.places["device"])
        calibrate(trained.run, detector, [*map(Path, held_out.paths)], kept.ignored)
    except (InputError, Interrupted) as stop:
        # A part goes on with the whole.
        own, whole = (f"--resume {as_argument(path)}" for path in (folder, run.path))
        raise type(stop)(str(stop).replace(own, whole)) from stop


def _train_part(run: AnyRun, part: Part, dataset: Dataset) -> Trained:
    folder = run.path / MEMBERS / part.name
    begun = part.method.find_begun(folder)
    fitting = part.start(begun)
    places = {**run.places, **fitting.places()}
    make_folder(folder)
    with FolderLock(folder):
        if begun is None:
            empty_folder(folder)
            create_run(folder, fitting.settings, places, config_name(part.method))
            begun = part.method.open_run(folder)
        elif not fitting.complete:
            change_run(folder, {**places, **fitting.settings.to_dict()})
        begun.places.update(places)
        return work(dataclasses.replace(begun, settings=fitting.settings), dataset, fitting)


def _keep_held_out(
    run: AnyRun,
    contents: Contents | None,
    held_out: Contents,
    said: Calibrated,
    detector: Detector,
) -> None:
    """Calibrate with the images that were held out of a training, which stay known as such."""
    if contents is not None:
        same = contents.copies_of(held_out)
        fitted_on = contents.take([row for row in range(len(contents)) if row not in same])
        warn_about_near(held_out, fitted_on, "held-out images", TOO_LOW)
    calibration = Calibration.of(held_out, said, detector, by_training=True)
    warn_about_outlier(calibration)
    held_out.write(run.path / HELD_OUT)
    calibration.write(run.path)


def _say_validation(run: AnyRun, dataset: Dataset) -> None:
    """Say that there are validation images, and what they are for."""
    folders = list(dict.fromkeys(sample.path.parent for sample in dataset.validation))
    if folders:
        _log.info(
            "Not trained on: %s, which can set a threshold: nsa calibrate %s %s",
            counted(len(dataset.validation), "validation image"), as_argument(run.path),
            " ".join(map(as_argument, folders)),
        )  # fmt: skip
