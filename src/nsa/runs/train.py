"""Train a detector of any method: from a request to a finished run folder."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nsa.detectors.hidden import ignored_by
from nsa.detectors.method import AnyMethod, Fitting, refuse_changes
from nsa.detectors.registry import config_name, find_method, method_of
from nsa.errors import InputError
from nsa.folder import (
    IGNORED,
    MEMBERS,
    AnyRun,
    AnySettings,
    beginning,
    change_run,
    changing,
    create_run,
    make_output,
    need_begun,
    need_unused,
)
from nsa.images import Dataset, open_dataset
from nsa.images.ignored import Ignored
from nsa.loggers import need_loggers
from nsa.runs.further import Begun, begin_further, further_method, with_verdicts
from nsa.runs.verdicts import Verdicts
from nsa.runs.work import Trained, run_loggers, work
from nsa.settings.options import TrainRequest
from nsa.system.console import as_argument
from nsa.system.device import own_threads, torch_threads
from nsa.system.lock import SECONDS_TO_SAVE, FolderLock, empty_folder, is_unused
from nsa.training.distributed import ALONE, Ranks
from nsa.training.profile import FILE as TRACE

_log = logging.getLogger("nsa")


def train(request: TrainRequest, ranks: Ranks = ALONE, *, profile: bool = False) -> Trained:
    """Train from scratch into a new run folder, then evaluate.

    Args:
        request: what is asked for, see :func:`nsa.detectors.registry.read_request`; at least
            ``data_root``, ``normal_dir`` or ``resume_from``, which goes on from a finished run.
        ranks: processes to train one model with, seen from their leader; the others call
            :func:`follow`.
        profile: measure where the time of a step goes, print it and write ``trace.json``.

    Raises:
        InputError: an option, an image or the output folder cannot be used.
        Interrupted: a signal stopped the training; its state is saved.
    """
    begun = _begin(request.absolute(), ranks, profile)
    method, dataset, fitting = begun.method, begun.dataset, begun.fitting
    threads = _own_threads(begun.places["threads"], fitting)
    places = {**begun.places, "threads": threads}
    folder = make_output(request.output, dataset.name)
    with (
        _interruptible(folder), FolderLock(folder), changing(folder), torch_threads(threads)
    ):  # fmt: skip
        create_run(folder, fitting.settings, places, config_name(method))
        with beginning(folder):
            if len(begun.verdicts):
                begun.verdicts.write(folder)
            return work(method.open_run(folder), dataset, fitting)


def _begin(request: TrainRequest, ranks: Ranks, profile: bool) -> Begun:
    """Check a training before anything is written; the request's paths are absolute."""
    need_loggers(request.loggers())
    if request.resume_from is not None:
        method = further_method(request)
        _check_steps(method, ranks, profile)
        _check_ignored(method.open_run(request.resume_from), request)
        return begin_further(request, ranks, profile=profile)
    if request.verdicts is not None:
        raise InputError(
            "--verdicts are for a run that has judged these images; add --resume-from and its "
            "folder."
        )
    method = find_method(request.method)
    _check_steps(method, ranks, profile)
    if request.output is not None and request.output.is_dir():
        need_unused(request.output)  # before any work
    dataset = open_dataset(request.data_root, request.category, request.normal_dir)
    if request.ignore is not None:
        dataset = dataset.ignoring(Ignored.open(request.ignore))
    fitting = method.begin(request, dataset, ranks, profile=profile)
    places = {**request.places(), **fitting.places(), "threads": request.threads}
    if request.loggers():
        places["logger"] = [*request.loggers()]
    return Begun(method, dataset, fitting, Verdicts([], []), places)


def resume(
    folder: Path, request: TrainRequest, ranks: Ranks = ALONE, *, profile: bool = False
) -> Trained:
    """Continue an interrupted run to the result it would have had without the interruption.

    Args:
        folder: the run folder.
        request: only ``data_root``, ``normal_dir`` and a folder of masks to ``ignore`` (where they
            have moved), ``device``,
            ``precision``, ``threads`` and ``logger`` may differ from the run's own, and what its
            method lets change, such as ``epochs``; from then on the run folder has them.
        ranks: as for :func:`train`; their number may differ from before.
        profile: as for :func:`train`.

    Raises:
        InputError: there is no run that has begun, or an option contradicts it.
        Interrupted: a signal stopped the training again; its state is saved.
    """
    need_begun(folder)
    if request.resume_from is not None or request.verdicts is not None:
        raise InputError(
            f"--resume continues the training in {folder} as it began; --resume-from, with "
            "--verdicts, trains a finished run further, into another folder; leave out --resume."
        )
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
    with _interruptible(folder), FolderLock(folder), changing(folder):
        run = method.open_run(folder)
        _check_ignored(run, request)
        moved = request.data_root is not None or request.normal_dir is not None
        changes = request.places() if moved or request.ignore is not None else {}
        if not moved:
            changes = {name: changes[name] for name in changes if name == "ignore"}
        run.places.update(changes)
        for name in ("device", "precision", "threads"):
            run.places[name] = getattr(request, name) or run.places[name]
        if request.logger is not None:
            run.places["logger"] = [*request.logger]
        need_loggers(run_loggers(run))
        fitting = method.resume(run, request, ranks, profile=profile)
        dataset = with_verdicts(folder, open_run_dataset(run))
        run.places.update(fitting.places())
        run.places["threads"] = _own_threads(run.places["threads"], fitting)
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

    What cannot be continued is removed. A worker whose driver was killed may still be saving what
    it has; that is waited for.

    Args:
        request: names its output.
        settings: with which a run must have begun to be continued; None: with any.
    """
    folder, method = request.output, find_method(request.method)
    assert folder is not None
    if folder.is_dir():
        with FolderLock(folder, wait=SECONDS_TO_SAVE):
            pass
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
    dataset = open_dataset(run.places["data_root"], run.settings.category, run.places["normal_dir"])
    return dataset.ignoring(ignored_by(run.path, run.places.get("ignore")))


def _check_ignored(run: AnyRun, request: TrainRequest) -> None:
    """Refuse to ignore something else than a run that has begun; a folder may have moved."""
    before = run.places.get("ignore")
    if request.ignore is None or request.places()["ignore"] == before:
        return
    of_all = (run.path / IGNORED).is_file() or not request.ignore.is_dir()
    refuse_changes(["ignore"] if before is None or of_all else [])


def _own_threads(asked: int | None, fitting: Fitting[Any]) -> int | None:
    """The number of threads that a run keeps to; None: it may change."""
    return asked if fitting.tries_threads else own_threads(asked, fitting.device)


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
