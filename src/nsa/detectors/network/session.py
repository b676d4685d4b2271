"""One sitting of a training in its run folder: progress, checkpoints, and what it leaves there."""

from __future__ import annotations

import csv
import logging
import time

import torch

from nsa.detectors.network.folder import NetworkRun
from nsa.detectors.network.threads import chosen_threads
from nsa.errors import InputError
from nsa.loggers.log import SILENT, TrainingLog
from nsa.report.curves import loss_curve
from nsa.report.grids import synthesis_grid
from nsa.system.console import as_argument, counted, duration, standard_output
from nsa.system.files import write_csv
from nsa.system.interrupt import Interrupted, StopRequest
from nsa.system.progress import TrainingProgress
from nsa.training import Trainer, save_checkpoint
from nsa.training.failures import checkpoint_named
from nsa.training.profile import FILE as TRACE
from nsa.training.profile import Profile
from nsa.training.profile import table as profile_table
from nsa.training.schedule import epoch_batches, learning_rate

_log = logging.getLogger("nsa")

SECONDS_BETWEEN_CHECKPOINTS = 60.0
_EXAMPLES = 8
_WORTH_A_PICTURE = 500  # images of a whole training; a shorter one is over before anybody looks
_COLUMNS = ("epoch", "loss", "learning_rate")  # of the log


def train_to_the_end(
    trainer: Trainer, run: NetworkRun, profile: bool, log: TrainingLog = SILENT
) -> None:
    """Train from where the trainer stands, and write the log.

    Args:
        profile: also measure where the time of a step goes, print it and write ``trace.json``.
        log: is told of every step and epoch.

    Raises:
        InputError: the training diverged, the device's memory does not suffice, or a file cannot be
            written.
        Interrupted: a signal stopped the training; its state is saved.
    """
    position, training = trainer.position, trainer.training
    sizes = [len(b) for b in epoch_batches(len(trainer.images), training, 0)]
    total = training.epochs * sum(sizes) + sum(sizes[: training.extra_steps])
    done = position.epoch * sum(sizes) + position.image_count
    left = (training.epochs - position.epoch) * len(sizes) + training.extra_steps - position.step
    measured = Profile(trainer.device, left) if profile else None
    last_save = time.monotonic()
    free = run.places["threads"] is None and not profile
    with (
        StopRequest() as stop,
        TrainingProgress(training.epochs, total, done) as progress,
        chosen_threads(trainer, left, max(sizes), free) as choose,
    ):
        _describe(trainer, run)
        _note_checkpoint(trainer, run)
        if trainer.ranks.leads and total >= _WORTH_A_PICTURE and not done:
            draw_synthesis(trainer, run)
        log.go_on(_step(trainer))
        epochs = len(position.losses)

        def after_step(loss: float, count: int) -> bool:
            nonlocal last_save, epochs
            progress.advance(trainer.position.epoch, loss, count)
            choose(count)
            step = _step(trainer)
            log.step(step, loss, count, learning_rate(training, (step - 1) // len(sizes)))
            if len(position.losses) > epochs:
                epochs = len(position.losses)
                log.scalars({"training/epoch": epochs, "training/epoch_loss": position.losses[-1]})
            if stop.made:
                return False
            if time.monotonic() - last_save > SECONDS_BETWEEN_CHECKPOINTS:
                _save(trainer, run)
                last_save = time.monotonic()
            return True

        with checkpoint_named(run.checkpoint, f"nsa train --resume {as_argument(run.path)}"):
            trainer.run(after_step, measured)
        _save(trainer, run)
    _write_log(trainer, run)
    if measured is not None and measured.steps:
        standard_output.print(profile_table(measured, sizes[0]))
        measured.write_trace(run.path / TRACE)
        _log.info("A trace for Chrome or Perfetto is in %s.", run.path / TRACE)
    further = f"continue with: nsa train --resume {as_argument(run.path)}"
    if not trainer.finished:
        hint = f" (add --epochs {position.epoch} to end it as it is)" if position.epoch else ""
        raise Interrupted(
            f"Stopped in epoch {position.epoch + 1} of {training.epochs} and saved; {further}{hint}"
        )
    if stop.made:
        raise Interrupted(f"Stopped after the last epoch and saved; {further}")
    _log.info(
        "Trained in %s, %.1f s of it waiting for plans.", duration(position.seconds),
        position.plan_wait,
    )  # fmt: skip
    peak = trainer.peak_memory()
    if peak is not None:
        _log.info("Peak GPU memory: %.2f GiB in use, %.2f GiB reserved.", *peak)


def training_times(trainer: Trainer) -> dict[str, float]:
    """What ``metrics.json`` says of a finished training."""
    position = trainer.position
    per_epoch = sum(len(b) for b in epoch_batches(len(trainer.images), trainer.training, 0))
    return {
        "training_seconds": position.seconds,
        "images_per_second": (position.epoch * per_epoch + position.image_count) / position.seconds,
        "plan_wait_seconds": position.plan_wait,
        **{
            f"seconds_with_{number}_{'thread' if number == '1' else 'threads'}": seconds
            for number, seconds in position.seconds_by_threads.items()
        },
    }


def _step(trainer: Trainer) -> int:
    """The next step, counted over all epochs."""
    return trainer.position.epoch * trainer.steps_per_epoch + trainer.position.step


def _describe(trainer: Trainer, run: NetworkRun) -> None:
    settings, position, count = run.settings, trainer.position, trainer.ranks.count
    where = trainer.device.type if count == 1 else f"{count} x {trainer.device.type}"
    _log.info(
        "Training '%s' on %d %s %d x %d px, %s of %s, on %s (%s, %s).",
        settings.category, len(trainer.images),
        "images, in crops of" if settings.images.cropped else "images of", *settings.images.crop,
        counted(settings.training.epochs, "epoch"), counted(trainer.steps_per_epoch, "step"),
        where, trainer.precision, counted(torch.get_num_threads(), "thread"),
    )  # fmt: skip
    if trainer.finished:
        _log.info("All steps are done.")
    elif position.epoch or position.step:
        _log.info("Continuing at epoch %d, step %d.", position.epoch + 1, position.step + 1)


def _save(trainer: Trainer, run: NetworkRun) -> None:
    save_checkpoint(run.checkpoint, trainer)
    _note_checkpoint(trainer, run)


def _note_checkpoint(trainer: Trainer, run: NetworkRun) -> None:
    """Say what is there for whichever process reports the loss of another."""
    position = trainer.position
    state = f"The state of epoch {position.epoch + 1}, step {position.step + 1} is in "
    trainer.ranks.note(
        (f"{state}{run.checkpoint}" if run.checkpoint.is_file() else "Nothing was saved yet")
        + f"; continue on any number of processes with --resume {as_argument(run.path)}"
    )


def draw_synthesis(trainer: Trainer, run: NetworkRun) -> None:
    """Draw the first images that the network learns from.

    Raises:
        InputError: the picture cannot be written.
    """
    images, anomalies, labels = (list(found[:_EXAMPLES]) for found in trainer.first_batch())
    synthesis_grid(images, anomalies, labels, run.synthesis)
    _log.info("What it learns from is shown in %s.", run.synthesis)


def draw_loss_curve(run: NetworkRun) -> None:
    """Draw what the log of a finished training says.

    Raises:
        InputError: the picture cannot be written, or the log is gone or damaged.
    """
    try:
        with run.log.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file, strict=True))
        losses, rates = ([float(row[name]) for row in rows] for name in _COLUMNS[1:])
    except (OSError, UnicodeDecodeError, csv.Error, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{run.log} cannot be read ({error}), so {run.loss_curve.name} cannot be drawn."
        ) from error
    loss_curve(losses, rates, run.loss_curve)


def _write_log(trainer: Trainer, run: NetworkRun) -> None:
    lines = [
        (epoch + 1, loss, learning_rate(trainer.training, epoch))
        for epoch, loss in enumerate(trainer.position.losses)
    ]
    write_csv(run.log, _COLUMNS, lines)
