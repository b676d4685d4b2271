"""Train a detector of any method: from a request to a finished run folder."""

from __future__ import annotations

import logging
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nsa.detectors.method import AnyMethod, Fitting
from nsa.detectors.registry import find_method, method_of
from nsa.errors import InputError
from nsa.folder import (
    AnyRun,
    AnySettings,
    RunLock,
    beginning,
    create_run,
    make_output,
    move_images,
)
from nsa.images import Dataset, LoadedTest, load_test_set, open_dataset
from nsa.runs.calibrate import Calibration, add_working_point
from nsa.runs.evaluate import Evaluation, evaluate, write_evaluation
from nsa.settings.options import TrainRequest
from nsa.system.console import console
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
    dataset = open_dataset(request.data_root, request.category, request.normal_dir)
    fitting = method.begin(request, dataset, ranks, profile=profile)
    places = {**request.places(), "device": fitting.device, "precision": fitting.precision}
    folder = make_output(request.output, dataset.name)
    with RunLock(folder):
        named = None if method is find_method(None) else method.names[0]
        create_run(folder, fitting.settings, places, named)
        with beginning(folder):
            run = method.open_run(folder)
            test = _load(run, dataset, fitting)
        return _work(run, dataset, fitting, test)


def resume(
    folder: Path, request: TrainRequest, ranks: Ranks = ALONE, *, profile: bool = False
) -> Trained:
    """Continue an interrupted run to the result it would have had without the interruption.

    Args:
        folder: the run folder.
        request: only ``data_root`` and ``normal_dir`` (where the images have moved), ``device`` and
            ``precision`` may differ from the run's own.
        ranks: as for :func:`train`; their number may differ from before.
        profile: as for :func:`train`.

    Raises:
        InputError: there is no unfinished run, or an option contradicts it.
        Interrupted: a signal stopped the training again; its state is saved.
    """
    if profile and (folder / TRACE).exists():
        raise InputError(f"{folder / TRACE} is there already; move it away or leave out --profile.")
    method = method_of(folder)
    run = method.open_run(folder)
    if request.method is not None and find_method(request.method) is not method:
        raise InputError(
            f"--method {request.method} goes with a new --output: {folder} holds a run of another "
            "method."
        )
    for name in ("device", "precision"):
        run.places[name] = getattr(request, name) or run.places[name]
    moved = request.data_root is not None or request.normal_dir is not None
    if moved:
        run.places.update(request.places())
    fitting = method.resume(run, request, ranks, profile=profile)
    dataset = open_run_dataset(run)
    with RunLock(folder):
        if moved:
            move_images(folder, run.places)
        return _work(run, dataset, fitting, _load(run, dataset, fitting))


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
    if folder.exists():  # stopped before it had begun, or damaged
        shutil.rmtree(folder)
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


def _load(run: AnyRun, dataset: Dataset, fitting: Fitting[Any]) -> LoadedTest:
    """Load all images: the test set too, so that its faults are no surprise after the training."""
    test = load_test_set(dataset.test, fitting.test_size, fitting.channels, console.is_terminal)
    fitting.load(run, dataset)
    return test


def _work(run: AnyRun, dataset: Dataset, fitting: Fitting[Any], test: LoadedTest) -> Trained:
    """Train what is left to train, then evaluate."""
    fitted = fitting.fit(run, dataset)
    result = evaluate(fitted.detector, dataset, test)
    if fitted.held_out is not None:
        paths, scores = fitted.held_out
        Calibration([str(path.resolve()) for path in paths], scores).write(run.path)
        result = add_working_point(fitted.detector, run, result, dataset)
    write_evaluation(run, result, dataset, fitted.times)
    fitting.finish(run)
    return Trained(run, result)
