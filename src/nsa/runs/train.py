"""Train a detector of any method: from a request to a finished run folder."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nsa.detectors.method import AnyMethod, Compound, Fitting, Part
from nsa.detectors.registry import find_method, load, method_of
from nsa.errors import InputError
from nsa.folder import (
    MEMBERS,
    AnyRun,
    AnySettings,
    beginning,
    change_run,
    create_run,
    make_output,
    need_begun,
)
from nsa.images import Contents, Dataset, LoadedTest, load_test_set, open_dataset
from nsa.runs.calibrate import FILE as CALIBRATION
from nsa.runs.calibrate import Calibration, add_working_point, calibrate, say_if_scaled
from nsa.runs.copies import (
    TOO_LOW,
    keep_training_contents,
    kept_training_contents,
    warn_about_held_out,
    warn_about_near,
    warn_about_test,
)
from nsa.runs.evaluate import Evaluation, evaluate, write_evaluation
from nsa.settings.options import TrainRequest
from nsa.system.console import as_argument, console
from nsa.system.device import own_threads, torch_threads
from nsa.system.files import make_folder
from nsa.system.interrupt import Interrupted
from nsa.system.lock import FolderLock, empty_folder, is_unused
from nsa.system.progress import Stages
from nsa.training.distributed import ALONE, Ranks
from nsa.training.profile import FILE as TRACE

_log = logging.getLogger("nsa")


@dataclass(frozen=True)
class Trained:
    """A finished run: its folder and what the test images gave."""

    run: AnyRun
    evaluation: Evaluation


def train(request: TrainRequest, ranks: Ranks = ALONE, *, profile: bool = False) -> Trained:
    """Train from scratch into a new run folder, then evaluate.

    Args:
        request: what is asked for, see :func:`nsa.detectors.registry.read_request`; at least
            ``data_root`` or ``normal_dir``.
        ranks: processes to train one model with, seen from their leader; the others call
            :func:`follow`.
        profile: measure where the time of a step goes, print it and write ``trace.json``.

    Raises:
        InputError: an option, an image or the output folder cannot be used.
        Interrupted: a signal stopped the training; its state is saved.
    """
    method = find_method(request.method)
    _check_steps(method, ranks, profile)
    request = request.absolute()
    dataset = open_dataset(request.data_root, request.category, request.normal_dir)
    fitting = method.begin(request, dataset, ranks, profile=profile)
    threads = own_threads(request.threads, fitting.device)
    places = {**request.places(), **_computed(fitting), "threads": threads}
    folder = make_output(request.output, dataset.name)
    with _interruptible(folder), FolderLock(folder), torch_threads(threads):
        create_run(folder, fitting.settings, places, _named(method))
        with beginning(folder):
            return work(method.open_run(folder), dataset, fitting)


def resume(
    folder: Path, request: TrainRequest, ranks: Ranks = ALONE, *, profile: bool = False
) -> Trained:
    """Continue an interrupted run to the result it would have had without the interruption.

    Args:
        folder: the run folder.
        request: only ``data_root`` and ``normal_dir`` (where the images have moved), ``device``,
            ``precision`` and ``threads`` may differ from the run's own, and what its method lets
            change, such as ``epochs``; from then on the run folder has them.
        ranks: as for :func:`train`; their number may differ from before.
        profile: as for :func:`train`.

    Raises:
        InputError: there is no run that has begun, or an option contradicts it.
        Interrupted: a signal stopped the training again; its state is saved.
    """
    need_begun(folder)
    if profile and (folder / TRACE).exists():
        raise InputError(f"{folder / TRACE} is there already; move it away or leave out --profile.")
    whole = folder.absolute().parent.parent
    if folder.absolute().parent.name == MEMBERS and (whole / "config.yaml").is_file():
        raise InputError(
            f"{folder} is part of the run in {whole}; nsa train --resume {as_argument(whole)} "
            "continues it."
        )
    method = method_of(folder)
    if request.method is not None and find_method(request.method) is not method:
        raise InputError(
            f"--method {request.method} goes with a new --output: {folder} holds a run of another "
            "method."
        )
    _check_steps(method, ranks, profile)
    with _interruptible(folder), FolderLock(folder):
        run = method.open_run(folder)
        moved = request.data_root is not None or request.normal_dir is not None
        changes = request.places() if moved else {}
        run.places.update(changes)
        for name in ("device", "precision", "threads"):
            run.places[name] = getattr(request, name) or run.places[name]
        fitting = method.resume(run, request, ranks, profile=profile)
        dataset = open_run_dataset(run)
        run.places.update(_computed(fitting))
        run.places["threads"] = own_threads(run.places["threads"], fitting.device)
        if not fitting.complete:  # else they say how it was trained
            changes = {**run.places, **fitting.settings.to_dict()}
        change_run(folder, changes)
        with torch_threads(run.places["threads"]):
            return work(dataclasses.replace(run, settings=fitting.settings), dataset, fitting)


def follow(request: TrainRequest, ranks: Ranks) -> None:
    """Compute a rank's share of the training that rank 0 leads; nothing is written.

    Raises:
        InputError: the device or the images cannot be used, or are not those of the leader.
        Interrupted: a signal stopped the training.
    """
    find_method(request.method).follow(request, ranks)


def train_or_resume(request: TrainRequest, settings: AnySettings | None = None) -> Trained:
    """Continue the run in the output folder if one has begun there, else :func:`train` anew.

    What cannot be continued is removed.

    Args:
        request: names its output.
        settings: with which a run must have begun to be continued; None: with any.
    """
    folder, method = request.output, find_method(request.method)
    assert folder is not None
    begun = method.find_begun(folder)
    if begun is not None and settings in (None, begun.settings):
        _log.info("Continuing %s.", folder.name)
        place = method.request(data_root=request.data_root, device=request.device)
        return resume(folder, place)
    if folder.is_dir() and not is_unused(folder):  # damaged, or of other settings
        with FolderLock(folder):
            empty_folder(folder)
    return train(request)


def open_run_dataset(run: AnyRun) -> Dataset:
    """The images a run was trained on and its test set.

    Raises:
        InputError: they are no longer there.
    """
    return open_dataset(run.places["data_root"], run.settings.category, run.places["normal_dir"])


def _check_steps(method: AnyMethod, ranks: Ranks, profile: bool) -> None:
    """Refuse what a method has no steps for."""
    name = method.names[0]
    if profile and not method.steps:
        raise InputError(
            f"--profile measures training steps, and --method {name} has none; leave it out."
        )
    if ranks.count > 1 and not method.steps:
        raise InputError(
            f"--method {name} has no training steps that several processes could share; start it "
            "without torchrun."
        )


def _computed(fitting: Fitting[Any]) -> dict[str, str]:
    return {"device": fitting.device, "precision": fitting.precision}


@contextlib.contextmanager
def _interruptible(folder: Path) -> Iterator[None]:
    """Say after an interruption what there is of the run in a folder."""
    try:
        yield
    except KeyboardInterrupt:
        begun = (folder / "config.yaml").is_file()
        command = f"continue with: nsa train --resume {as_argument(folder)}"
        raise KeyboardInterrupt(
            f"Interrupted; {command if begun else 'nothing was saved.'}"
        ) from None


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
    # The test set too, so that its faults are no surprise after the training.
    test = load_test_set(dataset.test, fitting.test_size, fitting.channels, console.is_terminal)
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
    run: AnyRun, dataset: Dataset, fitting: Fitting[Any], test: LoadedTest, further: str | None
) -> Trained:
    """See :func:`work`, with the test set loaded and all parts there."""
    fitting.load(run, dataset)
    contents = fitting.contents
    if contents is None:
        contents = kept_training_contents(run)
    else:
        keep_training_contents(run.path, contents)
    warn_about_test(dataset.test, test.contents, contents)
    fitted = fitting.fit(run, dataset)
    try:
        result = evaluate(fitted.detector, dataset, test)
        if fitted.held_out is not None:
            _keep_held_out(run, contents, *fitted.held_out, fitted.detector.rounding)
            warn_about_held_out(test.contents, fitted.held_out[0])
            say_if_scaled(fitted.detector, fitted.held_out[0])
        result = add_working_point(fitted.detector, run, result, dataset)
        write_evaluation(run, result, dataset, fitted.times)
        fitting.finish(run)
    except InputError as error:
        further = further or (
            f"The training itself is saved; nsa train --resume {as_argument(run.path)} does the "
            "rest."
        )
        raise InputError(f"{error} {further}") from error
    return Trained(run, result)


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
        calibrate(trained.run, load(folder, run.places["device"]), [*map(Path, held_out.paths)])
    except (InputError, Interrupted) as stop:
        # A part goes on with the whole.
        own, whole = (f"--resume {as_argument(path)}" for path in (folder, run.path))
        raise type(stop)(str(stop).replace(own, whole)) from stop


def _train_part(run: AnyRun, part: Part, dataset: Dataset) -> Trained:
    folder = run.path / MEMBERS / part.name
    begun = part.method.find_begun(folder)
    fitting = part.start(begun)
    places = {**run.places, **_computed(fitting)}
    make_folder(folder)
    with FolderLock(folder):
        if begun is None:
            empty_folder(folder)
            create_run(folder, fitting.settings, places, _named(part.method))
            begun = part.method.open_run(folder)
        elif not fitting.complete:
            change_run(folder, {**places, **fitting.settings.to_dict()})
        begun.places.update(places)
        return work(dataclasses.replace(begun, settings=fitting.settings), dataset, fitting)


def _named(method: AnyMethod) -> str | None:
    """How a run folder names its method; the default has no name."""
    return None if method is find_method(None) else method.names[0]


def _keep_held_out(
    run: AnyRun,
    contents: Contents | None,
    held_out: Contents,
    scores: npt.NDArray[np.float64],
    rounding: float | None,
) -> None:
    """Calibrate with the images that were held out of a training."""
    if contents is not None:
        same = contents.copies_of(held_out)
        fitted_on = contents.take([row for row in range(len(contents)) if row not in same])
        warn_about_near(held_out, fitted_on, "held-out images", TOO_LOW)
    Calibration(held_out.paths, scores, held_out.names(), rounding).write(run.path)
