"""The training loop: batches in, gradients out; no files and no terminal."""

from __future__ import annotations

import contextlib
import math
import operator
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from nsa._native.cuda.support import check_device
from nsa.errors import InputError
from nsa.images.full_size import FullSizeImages
from nsa.model import EncoderDecoder
from nsa.settings.config import ImageConfig, SynthesisConfig, TrainConfig
from nsa.settings.fields import Checked
from nsa.synthesis import NSA
from nsa.system.device import Precision, memory_format
from nsa.training.ahead import Ahead
from nsa.training.device_steps import DeviceSteps, free_memory
from nsa.training.distributed import ALONE, Ranks
from nsa.training.draw import StepDrawer
from nsa.training.failures import gpu_failures
from nsa.training.profile import NO_CLOCK, Clock, Profile
from nsa.training.schedule import WEIGHTS, derive_seed, learning_rate
from nsa.training.steps import HostSteps, Steps
from nsa.training.update import Updater

_SECONDS_BETWEEN_READINGS = 0.5


@dataclass
class Position(Checked):
    """Where a run stands, and what it has measured so far.

    Attributes:
        epoch, step: the next step to do, both from 0; ``step`` counts within the epoch.
        loss_sum, image_count: summed loss (float64) and images of the epoch's steps so far.
        losses: mean loss of every finished epoch.
        seconds: time spent in training steps.
        plan_wait: part of it that steps waited for their plans.
        threads: on a CPU, the number in use; 0: no step has been done.
        seconds_by_threads: part of it by the number of threads, as text, of a CPU.
    """

    epoch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    image_count: int = 0
    losses: list[float] = field(default_factory=list)
    seconds: float = 0.0
    plan_wait: float = 0.0
    threads: int = 0
    seconds_by_threads: dict[str, float] = field(default_factory=dict)


class Trainer:
    """Trains an :class:`EncoderDecoder` on normal images and anomalies made from them.

    Args:
        images: uint8 (N, C, height, width) on the CPU, normal images of
            ``image_config.stored_size``; or of their own sizes, where crops are taken of them.
        synthesis, image_config, training: the settings.
        device: where the network runs.
        precision: ``"bf16"`` (autocast) or ``"fp32"``.
        ranks: the processes that share every batch; all of them make the same calls.
        resident_limit: bytes of a GPU's memory that the images may take; a larger set stays on the
            host and streams. None: half of what is free.
        ignored: bool (N or 1, height, width) on the CPU, pixels of the images that do not count:
            nothing is blended there, and nothing learnt. None: all count, or images of their own
            sizes know it.

    Attributes:
        model: the network.
        updater: what changes it.
        optimizer: what moves its weights.
        position: where the run stands.
        steps_per_epoch: of every epoch.

    Raises:
        InputError: fewer than two images, a batch size of one (an anomaly is made of two) or one
            that the ranks cannot share equally; a GPU that the kernels of this build do not run on.
    """

    @torch.inference_mode(False)
    def __init__(
        self,
        images: Tensor | FullSizeImages,
        synthesis: SynthesisConfig,
        image_config: ImageConfig,
        training: TrainConfig,
        *,
        device: torch.device,
        precision: Precision,
        ranks: Ranks = ALONE,
        resident_limit: int | None = None,
        ignored: Tensor | None = None,
    ) -> None:
        need_two_images(len(images))
        ranks.check_batch_size(training.batch_size)
        if training.batch_size < 2:
            raise InputError(
                "batch_size must be at least 2: an anomaly is made of two images of a batch."
            )
        self.images: Tensor | FullSizeImages = images
        if isinstance(images, Tensor):
            self.images = images.contiguous(memory_format=torch.channels_last)
        self.synthesis = NSA(synthesis)
        self.image_config = image_config
        self.training = training
        self.device = device
        self.precision = precision
        self.ranks = ranks
        self.position = Position()
        self._resident_limit = resident_limit
        if device.type == "cuda":
            check_device(device)
        unbounded = synthesis.unbounded
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(training.seed, WEIGHTS))
            model = EncoderDecoder(
                image_config.channels, "relu" if unbounded else "sigmoid", training.skips
            )
        self.model = model.to(device, memory_format=memory_format(device, precision))  # type: ignore[call-overload]
        ranks.prepare(self.model)
        self.updater = Updater(
            self.model, image_config, training, device=device, precision=precision,
            unbounded=unbounded, ranks=ranks,
        )  # fmt: skip
        self.optimizer = self.updater.optimizer
        self.draw = StepDrawer(
            self.images, synthesis, image_config, training,
            threads=None if device.type == "cpu" else 1, ranks=ranks, ignored=ignored,
        )  # fmt: skip
        # Counted once: a GPU that has just been read from is idle while its steps are booked.
        self.steps_per_epoch = len(self.draw.sizes(0))
        full = isinstance(self.images, FullSizeImages) and self.images.ignores
        self._ignores = full or ignored is not None

    @property
    def finished(self) -> bool:
        return (self.position.epoch, self.position.step) >= self._end

    @torch.inference_mode(False)
    @torch.enable_grad()
    def run(self, after_step: Callable[[float, int], bool], profile: Profile | None = None) -> None:
        """Train from :attr:`position` to the end, or until ``after_step`` returns False.

        Args:
            after_step: called with the loss and the number of images of every step; on a GPU of
                several steps at once (mean and sum), because reading a loss waits for the GPU.
                :attr:`position` then names the next step. All ranks stop if it returns False on
                one.
            profile: measures some steps.

        Raises:
            InputError: the training diverged (the loss is no longer finite), or the GPU's memory
                does not suffice.
            GpuLostError: the GPU failed.
        """
        height, width = self.image_config.crop
        work = f"batches of {self.training.batch_size} images of {height} x {width} px"
        self.model.train()
        try:
            with gpu_failures(self._where, work), self._steps() as steps:
                groups = self._groups(steps, profile)
                with contextlib.closing(groups):
                    for losses, counts in groups:
                        self._advance(losses, counts)
                        total = sum(counts)
                        mean = sum(map(operator.mul, losses, counts)) / total
                        if self.ranks.any(not after_step(mean, total)):
                            return
        finally:
            if profile is not None:
                profile.stop()

    def _groups(
        self, steps: Steps[Any], profile: Profile | None
    ) -> Generator[tuple[list[float], list[int]], None, None]:
        """Do the rest of the run; losses and sizes of the steps since the last reading."""
        clock: Clock = NO_CLOCK if profile is None else profile

        def make(epoch: int, step: int) -> tuple[int, int, Any]:
            drawn = self.draw(epoch, step)
            return epoch, drawn.total, steps.prepare(drawn)

        plans = Ahead(make, self._left(), steps.workers, steps.most_ready)
        with contextlib.closing(iter(plans)) as ready:
            counts: list[int] = []
            before, waited = -1, 0.0
            start = time.perf_counter()
            done = False
            while not done:
                made = next(ready, None)
                done = made is None
                if made is not None:
                    epoch, count, prepared = made
                    if profile is not None:
                        profile.begin(plans.waited - waited)
                    self.position.plan_wait += plans.waited - waited
                    waited = plans.waited
                    if epoch != before:
                        self.updater.set_learning_rate(learning_rate(self.training, epoch))
                        before = epoch
                    steps.run(prepared, clock)
                    counts.append(count)
                # Clocks differ, but all ranks must read at the same step.
                late = self.ranks.count == 1 and (
                    time.perf_counter() - start > _SECONDS_BETWEEN_READINGS
                )
                if counts and (done or late or len(counts) == steps.read_every):
                    losses = steps.read()
                    spent = time.perf_counter() - start
                    self.position.seconds += spent
                    if profile is not None:
                        profile.read(spent, sum(counts))
                    yield losses, counts
                    counts = []
                    start = time.perf_counter()

    def _left(self) -> Iterator[tuple[int, int]]:
        """Positions of the steps that are not done."""
        epoch, step = self.position.epoch, self.position.step
        while (epoch, step) < self._end:
            yield epoch, step
            step += 1
            if step == self.steps_per_epoch:
                epoch, step = epoch + 1, 0

    @property
    def _end(self) -> tuple[int, int]:
        """The position after the last step."""
        return self.training.epochs, self.training.extra_steps

    def _steps(self) -> Steps[Any]:
        if self.device.type == "cpu":
            return HostSteps(self.images, self.synthesis, self.updater)
        limit = self._resident_limit
        return DeviceSteps(
            self.images, self.synthesis.config, self.image_config, self.updater,
            batch_size=self.training.batch_size, device=self.device,
            captured=self.ranks.count == 1, ignores=self._ignores,
            resident_limit=free_memory(self.device) // 2 if limit is None else limit,
        )  # fmt: skip

    def make_batch(self, epoch: int, step: int) -> tuple[Tensor, Tensor]:
        """One batch: uint8 images (n, C, *crop) with anomalies, float32 labels (n, 1, *crop).

        With several ranks this rank's share of it.
        """
        with self._steps() as steps:
            return steps.make_batch(self.draw(epoch, step))

    def first_batch(self) -> tuple[Tensor, Tensor, Tensor]:
        """What the first step learns from, made on the host whatever the device.

        Returns:
            This rank's share: uint8 images (n, C, *crop) before anything is blended into them, the
            same with anomalies and in their light, and float32 labels (n, 1, *crop).
        """
        drawn = self.draw(0, 0)
        steps = HostSteps(self.images, self.synthesis, self.updater)
        return steps.normal_batch(drawn)[: drawn.own], *steps.make_batch(drawn)

    @torch.inference_mode(False)
    @torch.enable_grad()
    def train_step(self, batch: Tensor, labels: Tensor) -> float:
        """One update from a batch as :meth:`make_batch` gives it; returns all ranks' loss."""
        batch, labels = batch.to(self.device), labels.to(self.device)
        return float(self.updater(batch, labels, NO_CLOCK))

    def peak_memory(self) -> tuple[float, float] | None:
        """GiB that the last :meth:`run` used and reserved at most on its GPU; None on the CPU."""
        if self.device.type == "cpu":
            return None
        used = torch.cuda.max_memory_allocated(self.device)
        return used / 2**30, torch.cuda.max_memory_reserved(self.device) / 2**30

    def _advance(self, losses: list[float], counts: list[int]) -> None:
        position = self.position
        for loss, count in zip(losses, counts, strict=True):
            if not math.isfinite(loss):
                raise InputError(
                    f"The loss became {loss} in epoch {position.epoch + 1}; choose a smaller "
                    "--learning-rate."
                )
            position.loss_sum += loss * count
            position.image_count += count
            position.step += 1
            if position.step == self.steps_per_epoch:
                position.losses.append(position.loss_sum / position.image_count)
                position.epoch, position.step = position.epoch + 1, 0
                position.loss_sum, position.image_count = 0.0, 0

    def _where(self) -> str:
        return f"in epoch {self.position.epoch + 1}, step {self.position.step + 1}"


def need_two_images(count: int) -> None:
    """Check that there is an image to cut patches from and another to blend them into.

    Raises:
        InputError: there is not.
    """
    if count < 2:
        raise InputError(
            f"Training needs at least two normal images, got {count}: each anomaly is a patch of "
            "one image blended into another."
        )
