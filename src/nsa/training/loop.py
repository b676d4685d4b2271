"""The training loop: batches in, gradients out; no files and no terminal."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from nsa.config import ImageConfig, SynthesisConfig, TrainConfig
from nsa.device import Precision, memory_format
from nsa.errors import InputError
from nsa.images import augment, to_network_input
from nsa.methods import is_unbounded
from nsa.model import EncoderDecoder
from nsa.synthesis import NSA
from nsa.training.distributed import ALONE, Ranks
from nsa.training.schedule import (
    AUGMENTATION,
    SYNTHESIS,
    WEIGHTS,
    derive_seed,
    epoch_batches,
    learning_rate,
)
from nsa.training.share import take_share


@dataclass
class Position:
    """Where a run stands, and what it has measured so far.

    Attributes:
        epoch, step: the next step to do, both from 0; ``step`` counts within the epoch.
        loss_sum, image_count: summed loss (float64) and images of the epoch's steps so far.
        losses: mean loss of every finished epoch.
        seconds: time spent in training steps.
    """

    epoch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    image_count: int = 0
    losses: list[float] = field(default_factory=list)
    seconds: float = 0.0


class Trainer:
    """Trains an :class:`EncoderDecoder` on normal images and anomalies made from them.

    Args:
        images: uint8 (N, C, height, width) on the CPU, normal images of ``image_config.size``.
        synthesis, image_config, training: the settings.
        device: where the network runs.
        precision: ``"bf16"`` (autocast) or ``"fp32"``.
        ranks: the processes that share every batch; all of them make the same calls.

    Attributes:
        model: the network.
        optimizer: Adam.
        position: where the run stands.

    Raises:
        InputError: fewer than two images, a batch size of one (an anomaly is made of two), or one
            that the ranks cannot share equally.
    """

    def __init__(
        self,
        images: Tensor,
        synthesis: SynthesisConfig,
        image_config: ImageConfig,
        training: TrainConfig,
        *,
        device: torch.device,
        precision: Precision,
        ranks: Ranks = ALONE,
    ) -> None:
        need_two_images(len(images))
        ranks.check_batch_size(training.batch_size)
        if training.batch_size < 2:
            raise InputError(
                "batch_size must be at least 2: an anomaly is made of two images of a batch."
            )
        self.images = images
        self.synthesis = NSA(synthesis)
        self.image_config = image_config
        self.training = training
        self.device = device
        self.precision = precision
        self.ranks = ranks
        self.position = Position()
        unbounded = is_unbounded(synthesis)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(training.seed, WEIGHTS))
            model = EncoderDecoder(image_config.channels, "relu" if unbounded else "sigmoid")
        self.model = model.to(device, memory_format=memory_format(device, precision))  # type: ignore[call-overload]
        ranks.prepare(self.model)
        self._loss: Callable[[Tensor, Tensor], Tensor] = (
            _squared_error if unbounded else F.binary_cross_entropy_with_logits
        )
        self.optimizer = torch.optim.Adam(
            self.model.parameters(), lr=training.learning_rate, fused=True
        )

    @property
    def steps_per_epoch(self) -> int:
        return len(epoch_batches(len(self.images), self.training, 0))

    @property
    def finished(self) -> bool:
        return self.position.epoch >= self.training.epochs

    def run(self, after_step: Callable[[float, int], bool]) -> None:
        """Train from :attr:`position` to the end, or until ``after_step`` returns False.

        Args:
            after_step: called after every step with its loss and its number of images, when
                :attr:`position` already names the next step. All ranks stop if it returns False
                on one.

        Raises:
            InputError: the training diverged: the loss is no longer finite.
        """
        self.model.train()
        while not self.finished:
            for group in self.optimizer.param_groups:
                group["lr"] = learning_rate(self.training, self.position.epoch)
            for batch, labels in self._batches():
                start = time.perf_counter()
                loss, count = self.train_step(batch, labels), self._step_size
                if not math.isfinite(loss):
                    raise InputError(
                        f"The loss became {loss} in epoch {self.position.epoch + 1}; choose a "
                        "smaller --learning-rate."
                    )
                self._advance(loss, count, time.perf_counter() - start)
                if self.ranks.any(not after_step(loss, count)):
                    return

    def make_batch(self, epoch: int, step: int) -> tuple[Tensor, Tensor]:
        """One batch: uint8 images (n, C, *crop) with anomalies, float32 labels (n, 1, *crop).

        With several ranks this rank's share of it.
        """
        return self._make(epoch_batches(len(self.images), self.training, epoch)[step], epoch, step)

    def _make(self, indices: Tensor, epoch: int, step: int) -> tuple[Tensor, Tensor]:
        seed = self.training.seed
        normal = augment(
            self.images[indices],
            self.image_config,
            seed=derive_seed(seed, AUGMENTATION, epoch, step),
        )
        plan = self.synthesis.plan(normal, derive_seed(seed, SYNTHESIS, epoch, step))
        own = self.ranks.share(len(indices))
        if len(own) < len(indices):
            chosen, plan = take_share(plan, len(indices), own)
            normal = normal[torch.from_numpy(chosen)]
        images, labels = self.synthesis.synthesize(normal, plan)
        return images[: len(own)], labels[: len(own)]

    def _batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """The rest of the current epoch; on a GPU, made one step ahead in another thread."""
        epoch, first = self.position.epoch, self.position.step
        batches = epoch_batches(len(self.images), self.training, epoch)
        if self.device.type == "cpu":  # the network keeps every core busy already
            for step in range(first, len(batches)):
                yield self._timed(batches[step], epoch, step)
            return
        with ThreadPoolExecutor(1) as pool:
            ahead = pool.submit(self._make, batches[first], epoch, first)
            for step in range(first, len(batches)):
                current = ahead.result()
                if step + 1 < len(batches):
                    ahead = pool.submit(self._make, batches[step + 1], epoch, step + 1)
                yield current

    def _timed(self, indices: Tensor, epoch: int, step: int) -> tuple[Tensor, Tensor]:
        start = time.perf_counter()
        batch = self._make(indices, epoch, step)
        self.position.seconds += time.perf_counter() - start
        return batch

    def train_step(self, batch: Tensor, labels: Tensor) -> float:
        """One update from a batch as :meth:`make_batch` gives it; returns all ranks' loss."""
        batch = batch.to(self.device, non_blocking=True)
        labels = labels.to(self.device, non_blocking=True)
        inputs = to_network_input(batch, self.image_config)
        inputs = inputs.contiguous(memory_format=memory_format(self.device, self.precision))
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            logits = self.model(inputs)
        loss = self.ranks.weigh(self._loss(logits.float(), labels), len(batch))
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        loss = self.ranks.reduce(self.model.parameters(), loss, len(batch))
        self.optimizer.step()
        return float(loss.detach())

    @property
    def _step_size(self) -> int:
        """Images of the step at the position, of all ranks."""
        done = self.position.step * self.training.batch_size
        return min(self.training.batch_size, len(self.images) - done)

    def _advance(self, loss: float, count: int, seconds: float) -> None:
        position = self.position
        position.loss_sum += loss * count
        position.image_count += count
        position.seconds += seconds
        position.step += 1
        if position.step == self.steps_per_epoch:
            position.losses.append(position.loss_sum / position.image_count)
            position.epoch, position.step = position.epoch + 1, 0
            position.loss_sum, position.image_count = 0.0, 0


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


def _squared_error(logits: Tensor, labels: Tensor) -> Tensor:
    """The loss of the continuous label, which is not bounded by one (Section 3.3)."""
    return F.mse_loss(F.relu(logits), labels)
