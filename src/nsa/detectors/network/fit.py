"""Train a network: from a checked request to a run folder with its weights."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nsa.detectors.hidden import ignored_by
from nsa.detectors.holdout import say_held_out
from nsa.detectors.method import Fitted, Fitting, refuse_changes
from nsa.detectors.network.automatic import settle
from nsa.detectors.network.detector import NetworkDetector, check_shape
from nsa.detectors.network.folder import NetworkRun
from nsa.detectors.network.further import continued
from nsa.detectors.network.held_out import HeldOut, hold_out
from nsa.detectors.network.image_score import MEAN, NAMED, ImageScore, read_score
from nsa.detectors.network.request import NetworkRequest
from nsa.detectors.network.score_choice import LEAST, choose, choose_score, judge_on_crops
from nsa.detectors.network.session import draw_loss_curve, train_to_the_end, training_times
from nsa.detectors.network.settings import NetworkSettings, contradictions
from nsa.detectors.network.sizes import differs
from nsa.detectors.network.trial import tried
from nsa.detectors.same_images import need_same_images
from nsa.errors import InputError
from nsa.folder import started_from
from nsa.images import Contents, Dataset, Sample, open_dataset, read_image
from nsa.images.full_size import ignored_in, load_to_train_on
from nsa.model.weights import load_model, save_model
from nsa.settings.options import TrainRequest
from nsa.system.console import console, counted
from nsa.system.device import Precision, choose_precision, choose_training_device, torch_threads
from nsa.system.files import need_space, remove
from nsa.system.interrupt import Interrupted, StopRequest
from nsa.training import (
    Position,
    Trainer,
    load_checkpoint,
    need_two_images,
    save_checkpoint,
    saved_position,
    share_state,
)
from nsa.training.distributed import ALONE, Ranks

_log = logging.getLogger("nsa")


class NetworkFitting(Fitting[NetworkRun]):
    """The training of a network, from its leader's side."""

    settings: NetworkSettings
    precision: Precision

    def __init__(
        self,
        settings: NetworkSettings,
        device: torch.device,
        precision: Precision,
        ranks: Ranks,
        profile: bool,
    ) -> None:
        self.settings, self.device, self.precision = settings, device.type, precision
        self.test_size, self.channels = settings.test_size, settings.images.channels
        self.resize, self.levels = settings.images.resize, settings.images.levels
        self._device, self._ranks, self._profile = device, ranks, profile
        # Ranks wait for each other, and their threads are told once.
        self.tries_threads = device.type == "cpu" and ranks.count == 1

    def check_shape(self, shape: tuple[int, int]) -> None:
        """See :meth:`Fitting.check_shape`."""
        check_shape(self.settings.images, shape)

    def load(self, run: NetworkRun, dataset: Dataset) -> None:
        """See :meth:`Fitting.load`; the other ranks hear what they are to train."""
        if run.model.is_file():  # the training is complete
            self._ranks.tell(None)
            self._ranks.leave()
            self._ranks = ALONE
        else:
            places = {
                "ignore": None,
                **run.places,
                "precision": self.precision,
                "checkpoint": str(run.checkpoint),
                "further": [str(sample.path) for sample in dataset.further],
            }
            self._ranks.tell({**places, "settings": self.settings.to_dict()})
        self._ignored = dataset.ignored
        count, further = len(dataset.train), len(dataset.further)
        dataset, held = hold_out(dataset, self.settings.training)
        by_validation = len(held) if len(dataset.train) == count + further else 0
        if self._ranks.leads and self.settings.training.holdout is None:
            say_held_out(len(held), count, by_validation)
        self.contents = Contents([sample.path for sample in dataset.train])
        self._trainer = _make_trainer(
            self.settings, dataset, self._device, self.precision, self._ranks, self.contents
        )
        # Of a complete training the rate is a matter of what calibrates it by now.
        fpr = None if run.model.is_file() else self.settings.training.fpr
        self._held = HeldOut.load(
            held, self.settings, self.contents, dataset.ignored,
            what="validation images" if by_validation else "held-out images", fpr=fpr,
        )  # fmt: skip
        if not run.model.is_file() and not run.checkpoint.is_file():
            weights = sum(value.nbytes for value in self._trainer.model.state_dict().values())
            # Two checkpoints, which hold up to two moments too: one stays until the next is whole.
            need_space(run.path, 6 * weights)
            if self.start is not None:
                held_out = None if self._held is None else self._held.contents
                need_same_images(self.start, self.contents, held_out, further)
                load_model(self.start / run.model.name, self._trainer.model)
                save_checkpoint(run.checkpoint, self._trainer)  # which does without that run

    def fit(self, run: NetworkRun, dataset: Dataset) -> Fitted:  # noqa: ARG002
        """See :meth:`Fitting.fit`; what is left to train."""
        trainer, times = self._trainer, run.training_times()
        if run.checkpoint.is_file():
            load_checkpoint(run.checkpoint, trainer)
        if run.model.is_file():
            _log.info("The training in %s is complete; evaluating.", run.path)
            load_model(run.model, trainer.model)
        else:
            share_state(trainer, run.checkpoint)
            train_to_the_end(trainer, run, self._profile, self.log)
            trainer.ranks.leave()
            save_model(run.model, trainer.model, self._choose_score().note)
        if trainer.finished:
            times = training_times(trainer)
        detector = self._detector(read_score(run.model))
        held_out = None if self._held is None else self._held.calibrate(detector)
        return Fitted(detector, times, held_out)

    def finish(self, run: NetworkRun) -> None:
        """See :meth:`Fitting.finish`.

        Until the checkpoint goes, --resume can finish the job with all its times.
        """
        if not run.loss_curve.is_file():
            draw_loss_curve(run)
        remove(run.checkpoint)

    def _detector(self, score: ImageScore = MEAN) -> NetworkDetector:
        detector = NetworkDetector(self._trainer.model, self.settings, self._device, score)
        detector.ignore(self._ignored)
        return detector

    def _prepared(
        self, detector: NetworkDetector, paths: Sequence[Path]
    ) -> Iterator[tuple[Tensor, Tensor | None]]:
        """Images in their own shape, and what does not count of each."""
        for path in paths:
            image = read_image(path, detector.channels, detector.levels)
            mask = None if self._ignored is None else self._ignored.of(path, image.shape[:2])
            yield detector.prepare(image), detector.hidden_of(mask)

    def _choose_score(self) -> ImageScore:
        training = self.settings.training
        if training.image_score != "auto":
            return NAMED[training.image_score]
        if self._held is None or len(self._held.contents) < LEAST:
            _log.info(
                "Image score: mean; another is chosen by held-out images only, of which it takes "
                "%d.", LEAST,
            )  # fmt: skip
            return MEAN
        held = self._held.to_choose_by()
        detector, synthesis, paths = self._detector(), self.settings.synthesis, held.paths
        if held.images is not None:
            score = choose_score(
                detector.maps, held.images, synthesis, training.seed, detector.hidden(held.hidden)
            )
        else:
            crop = self.settings.images.crop
            judged = judge_on_crops(
                detector.maps, self._prepared(detector, paths), len(paths), crop, synthesis,
                training.seed,
            )  # fmt: skip
            score = choose(judged)
        # Simulated, five equally good scores, 9 to 32 images: 5.3 % for 5 % at most.
        _log.info(
            "%s of the held-out images chose this score and calibrate the run, too, so false "
            "positive rates hold nearly (5.3 %% for 5 %%); with other images nsa calibrate makes "
            "them strict.",
            len(paths),
        )  # fmt: skip
        return score


def begin(request: NetworkRequest, dataset: Dataset, ranks: Ranks, profile: bool) -> NetworkFitting:
    """See :meth:`nsa.detectors.method.DetectionMethod.begin`."""
    device = choose_training_device(request.device or "auto")
    precision = choose_precision(request.precision or "auto", device)
    settings = settle(request.replace(trial=None), dataset)
    need_two_images(len(dataset.train))
    need_two_images(len(hold_out(dataset, settings.training)[0].train))
    ranks.check_batch_size(settings.training.batch_size)
    if request.trial:  # once all else is known to be right
        if ranks.count > 1:
            raise InputError(
                "--trial is for one process, as the others would wait too long; leave it out, or "
                "let one process find out what suits, and give that to all."
            )
        with torch_threads(request.threads):
            settings = settle(
                request, dataset, lambda asked: tried(asked, dataset, device, precision)
            )
    return NetworkFitting(settings, device, precision, ranks, profile)


def resume(run: NetworkRun, request: NetworkRequest, ranks: Ranks, profile: bool) -> NetworkFitting:
    """See :meth:`nsa.detectors.method.DetectionMethod.resume`; ``epochs`` may change."""
    settings = run.settings
    epochs = request.overrides("training").get("epochs")
    if epochs is not None and epochs != settings.training.epochs:
        settings = with_epochs(run, epochs)
    refuse_changes([*contradictions(settings, request), *differs(settings, request)])
    device = choose_training_device(run.places["device"])
    precision = choose_precision(run.places["precision"], device)
    fitting = NetworkFitting(settings, device, precision, ranks, profile)
    fitting.complete = run.model.is_file()
    fitting.start = started_from(run.path)
    return fitting


def further(
    run: NetworkRun, request: NetworkRequest, ranks: Ranks, profile: bool
) -> NetworkFitting:
    """See :meth:`nsa.detectors.method.DetectionMethod.further`: its weights are the start."""
    settings = continued(run.settings, request, again=started_from(run.path) is not None)
    refuse_changes([*contradictions(settings, request), *differs(settings, request)])
    device = choose_training_device(request.device or run.places["device"])
    precision = choose_precision(request.precision or run.places["precision"], device)
    ranks.check_batch_size(settings.training.batch_size)
    fitting = NetworkFitting(settings, device, precision, ranks, profile)
    fitting.start = run.path.resolve()
    return fitting


def with_epochs(run: NetworkRun, epochs: Any) -> NetworkSettings:
    """The settings of an unfinished run that is to have another number of epochs.

    Raises:
        InputError: it is finished, or has done more already.
    """
    if run.model.is_file():
        raise InputError(
            f"The training in {run.path} is finished after "
            f"{counted(run.settings.training.epochs, 'epoch')} and has given up its state, so "
            "--epochs cannot change it; leave it out or start a new run."
        )
    position = saved_position(run.checkpoint) if run.checkpoint.is_file() else Position()
    return run.settings.with_epochs(epochs, position.epoch, position.step)


def follow(request: TrainRequest, ranks: Ranks) -> None:
    """Compute a rank's share of the training that rank 0 leads; nothing is written.

    Args:
        request: only ``data_root`` and ``normal_dir`` are used, where the images lie elsewhere on
            this machine. The rest is what the leader says.

    Raises:
        InputError: the device or the images cannot be used, or are not those of the leader.
        Interrupted: a signal stopped the training.
    """
    with StopRequest() as stop:  # from here on, since stopping is agreed on after a step
        order: dict[str, Any] | None = ranks.hear()
        if order is None:  # the training was complete
            return
        own: dict[str, Any] = {"data_root": request.data_root, "normal_dir": request.normal_dir}
        places = {name: order[name] if path is None else path for name, path in own.items()}
        settings = NetworkSettings.from_dict(order["settings"])
        dataset = open_dataset(places["data_root"], settings.category, places["normal_dir"])
        ignored = ignored_by(Path(order["checkpoint"]).parent, order["ignore"])
        besides = [Sample(Path(path)) for path in order["further"]]
        dataset = dataclasses.replace(dataset.ignoring(ignored), further=besides)
        dataset, _ = hold_out(dataset, settings.training)
        device = choose_training_device(order["device"])
        with torch_threads(order["threads"]):
            trainer = _make_trainer(settings, dataset, device, order["precision"], ranks)
            share_state(trainer, Path(order["checkpoint"]))
            trainer.run(lambda _loss, _count: not stop.made)
            ranks.leave()
    if not trainer.finished:
        raise Interrupted("Stopped.")


def _make_trainer(
    settings: NetworkSettings,
    dataset: Dataset,
    device: torch.device,
    precision: Precision,
    ranks: Ranks,
    contents: Contents | None = None,
) -> Trainer:
    """Load the images and make the trainer; all ranks do this at the same time."""
    ranks.use(device)
    paths = [sample.path for sample in dataset.train]
    progress = console.is_terminal and ranks.leads
    config = settings.images
    images = load_to_train_on(paths, config, progress, contents, dataset.ignored)
    ranks.check_same_images(paths, images)
    return Trainer(
        images, settings.synthesis, config, settings.training,
        device=device, precision=precision, ranks=ranks,
        ignored=ignored_in(paths, config, dataset.ignored),
    )  # fmt: skip
