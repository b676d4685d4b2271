"""What depends on the position in a run: learning rate, order of the images, seeds.

All of it is a function of counters, so an interrupted run that continues at some step does exactly
what the uninterrupted run does there.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from nsa.settings.config import TrainConfig

# Streams of random numbers, kept apart so that a change to one leaves the others alone.
WEIGHTS, ORDER, AUGMENTATION, SYNTHESIS, HELD_OUT, SCORE_CHOICE, LIGHT, TRIAL = range(8)
TOGETHER = 16  # images among which several crops of each are shuffled


def learning_rate(config: TrainConfig, epoch: int) -> float:
    """Cosine from ``learning_rate`` in the first epoch towards ``final_learning_rate``.

    In the ``warmup_epochs`` it is less by a factor that grows linearly, to 1 right after them.
    Where a run went on with another number of epochs, its later epochs have the rates of a run of
    that number; those that had begun keep theirs.
    """
    former = (epochs for end, epochs in config.former_epochs if epoch < end)
    share = 0.5 * (1 + math.cos(math.pi * epoch / next(former, config.epochs)))
    rate = config.final_learning_rate + (config.learning_rate - config.final_learning_rate) * share
    return rate * min(1.0, (epoch + 1) / (config.warmup_epochs + 1))


def derive_seed(seed: int, stream: int, *counters: int) -> int:
    """An independent 63-bit seed for one stream at one position."""
    state = np.random.SeedSequence((seed, stream, *counters)).generate_state(1, np.uint64)
    return int(state[0] >> np.uint64(1))


def epoch_batches(count: int, config: TrainConfig, epoch: int) -> list[Tensor]:
    """The batches of one epoch: int64 indices, in random order.

    Every image comes once, or ``config.crops_per_image`` times, and then soon again: the order is
    random among :data:`TOGETHER` images, so that no more have to be in memory.

    As many as batches of ``config.batch_size`` would be, but of equal size, give or take an image:
    a small rest would change the weights by its few images as much as a whole batch does. A batch
    of a single image, which pairs leave of an odd number, is left out, because a synthetic anomaly
    needs a second image and batch normalisation more than one sample.
    """
    generator = torch.Generator("cpu").manual_seed(derive_seed(config.seed, ORDER, epoch))
    order = torch.randperm(count, generator=generator, device="cpu")
    if config.crops_per_image > 1:
        groups = [group.repeat(config.crops_per_image) for group in torch.split(order, TOGETHER)]
        order = torch.cat([_shuffled(group, generator) for group in groups])
    batches = torch.tensor_split(order, -(-len(order) // config.batch_size))
    return [batch for batch in batches if len(batch) > 1]


def _shuffled(values: Tensor, generator: torch.Generator) -> Tensor:
    return values[torch.randperm(len(values), generator=generator, device="cpu")]
