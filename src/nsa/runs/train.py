"""Train a detector: from options to a finished run folder. ``python -m nsa.train --help``."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from nsa.detectors.network.detector import Detector
from nsa.detectors.network.session import train_to_the_end, training_times
from nsa.errors import InputError
from nsa.folder import BaseRun, Run, RunLock, make_output
from nsa.images import Dataset, LoadedTest, load_images, load_test_set, open_dataset
from nsa.model.weights import load_model
from nsa.runs.automatic import suggest_settings
from nsa.runs.evaluate import Evaluation, evaluate, write_evaluation
from nsa.settings.options import (
    GAUSSIAN,
    Settings,
    changed,
    merge_options,
    refuse_gaussian,
    resolve,
)
from nsa.system.console import console
from nsa.system.device import Precision, choose_precision, choose_training_device
from nsa.system.files import need_space
from nsa.system.interrupt import Interrupted, StopRequest
from nsa.training import Trainer, load_checkpoint, need_two_images, share_state
from nsa.training.distributed import ALONE, Ranks

_log = logging.getLogger("nsa")


@dataclass(frozen=True)
class Trained:
    """A finished run: its folder and what the test images gave."""

    run: BaseRun[Any]
    evaluation: Evaluation


def train(
    options: dict[str, Any],
    config: Path | None = None,
    ranks: Ranks = ALONE,
    *,
    profile: bool = False,
) -> Trained:
    """Train from scratch into a new run folder, then evaluate.

    Args:
        options: the command line's options by name (underscores), see ``nsa train --help``; at
            least ``data_root`` or ``normal_dir``.
        config: a YAML file with further options.
        ranks: processes to train one model with, seen from their leader; the others call
            :func:`follow`.
        profile: measure where the time of a step goes, print it and write ``trace.json``.

    Raises:
        InputError: an option, an image or the output folder cannot be used.
        Interrupted: a signal stopped the training; its state is saved.
    """
    merged = merge_options(options, config)
    if merged.get("method") == GAUSSIAN:
        from nsa.detectors.gaussian.fit import train as train_gaussian

        if profile:
            raise InputError(
                "--profile measures training steps, and --method gaussian has none; leave it out."
            )
        if ranks.count > 1:
            raise InputError(
                "--method gaussian fits its features in one pass, which several processes cannot "
                "share; start it without torchrun."
            )
        return Trained(*train_gaussian(merged))
    device = choose_training_device(merged.get("device", "auto"))
    precision = choose_precision(merged.get("precision", "auto"), device)
    data_root, normal_dir = merged.get("data_root"), merged.get("normal_dir")
    dataset = open_dataset(data_root, merged.get("category"), normal_dir)
    need_two_images(len(dataset.train))
    settings = resolve(merged, dataset.name, lambda: suggest_settings(dataset, merged.get("kind")))
    places = {
        "data_root": None if data_root is None else str(Path(data_root).resolve()),
        "normal_dir": None if normal_dir is None else str(Path(normal_dir).resolve()),
        "device": device.type,
        "precision": precision,
    }
    ranks.check_batch_size(settings.training.batch_size)
    output = merged.get("output")
    folder = make_output(None if output is None else Path(output), dataset.name)
    with RunLock(folder):
        run = Run.create(folder, settings, places)
        with run.beginning():
            trainer, test = _prepare(run, dataset, ranks)
            weights = sum(value.nbytes for value in trainer.model.state_dict().values())
            need_space(folder, 4 * weights)  # the weights, and a checkpoint that holds Adam's too
        return _work(run, dataset, trainer, test, profile)


def resume(
    folder: Path, options: dict[str, Any], ranks: Ranks = ALONE, *, profile: bool = False
) -> Trained:
    """Continue an interrupted run to the result it would have had without the interruption.

    Args:
        folder: the run folder.
        options: only ``data_root`` and ``normal_dir`` (where the images have moved) and
            ``device`` may differ from the run's own.
        ranks: as for :func:`train`; their number may differ from before.
        profile: as for :func:`train`.

    Raises:
        InputError: there is no unfinished run, or an option contradicts it.
        Interrupted: a signal stopped the training again; its state is saved.
    """
    run = Run.open(folder)
    refuse_gaussian(options)
    different = changed(run.settings, options)
    if different:
        listed = ", ".join("--" + name.replace("_", "-") for name in different)
        raise InputError(
            f"{listed} cannot change in a run that has begun; leave it out or start a new run."
        )
    for name in ("device", "precision"):
        run.places[name] = options.get(name, run.places[name])
    if "data_root" in options or "normal_dir" in options:
        run.places.update({name: options.get(name) for name in ("data_root", "normal_dir")})
    dataset = open_run_dataset(run)
    with RunLock(folder):
        return _work(run, dataset, *_prepare(run, dataset, ranks), profile)


def follow(options: dict[str, Any], config: Path | None, ranks: Ranks) -> None:
    """Compute a rank's share of the training that rank 0 leads; nothing is written.

    Args:
        options, config: as for :func:`train`; only ``data_root`` and ``normal_dir`` are used, where
            the images lie elsewhere on this machine. The rest is what the leader says.

    Raises:
        InputError: the device or the images cannot be used, or are not those of the leader.
        Interrupted: a signal stopped the training.
    """
    with StopRequest() as stop:  # from here on, since stopping is agreed on after a step
        order = ranks.hear()
        if order is None:  # the training was complete
            return
        own = merge_options(options, config)
        places = {name: own.get(name, order[name]) for name in ("data_root", "normal_dir")}
        settings = Settings.from_dict(order["settings"])
        dataset = open_dataset(places["data_root"], settings.category, places["normal_dir"])
        device = choose_training_device(order["device"])
        trainer = _make_trainer(settings, dataset, device, order["precision"], ranks)
        share_state(trainer, Path(order["checkpoint"]))
        trainer.run(lambda _loss, _count: not stop.made)
        ranks.leave()
    if not trainer.finished:
        raise Interrupted("Stopped.")


def open_run_dataset(run: Run) -> Dataset:
    """The images a run was trained on and its test set.

    Raises:
        InputError: they are no longer there.
    """
    return open_dataset(run.places["data_root"], run.settings.category, run.places["normal_dir"])


def _prepare(run: Run, dataset: Dataset, ranks: Ranks) -> tuple[Trainer, LoadedTest]:
    """Load all images: the test set too, so that its faults are no surprise after the training."""
    device = choose_training_device(run.places["device"])
    precision = choose_precision(run.places["precision"], device)
    settings, progress = run.settings, console.is_terminal
    test = load_test_set(dataset.test, settings.test_size, settings.images.channels, progress)
    if run.model.is_file():  # the training is complete
        ranks.tell(None)
        ranks.leave()
        ranks = ALONE
    else:
        places = {**run.places, "precision": precision, "checkpoint": str(run.checkpoint)}
        ranks.tell({**places, "settings": settings.to_dict()})
    return _make_trainer(settings, dataset, device, precision, ranks), test


def _work(run: Run, dataset: Dataset, trainer: Trainer, test: LoadedTest, profile: bool) -> Trained:
    """Train what is left to train, then evaluate."""
    times = run.training_times()
    if run.checkpoint.is_file():
        load_checkpoint(run.checkpoint, trainer)
    if run.model.is_file():
        _log.info("The training in %s is complete; evaluating.", run.path)
        load_model(run.model, trainer.model)
    else:
        share_state(trainer, run.checkpoint)
        train_to_the_end(trainer, run, profile)
        trainer.ranks.leave()
    if trainer.finished:
        times = training_times(trainer)
    result = evaluate(Detector(trainer.model, run.settings, trainer.device), dataset, test)
    write_evaluation(run, result, dataset, times)
    # Only now: until everything is written, --resume can finish the job with all its times.
    run.checkpoint.unlink(missing_ok=True)
    return Trained(run, result)


def _make_trainer(
    settings: Settings,
    dataset: Dataset,
    device: torch.device,
    precision: Precision,
    ranks: Ranks,
) -> Trainer:
    """Load the images and make the trainer; all ranks do this at the same time."""
    ranks.use(device)
    paths = [sample.path for sample in dataset.train]
    progress = console.is_terminal and ranks.leads
    images = load_images(paths, settings.images.size, settings.images.channels, progress)
    ranks.check_same_images(paths, images)
    return Trainer(
        images, settings.synthesis, settings.images, settings.training,
        device=device, precision=precision, ranks=ranks,
    )  # fmt: skip
