"""Everything random about a training step, drawn on the host as a function of its position."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import Tensor

from nsa.plan import Plan, draw_plan
from nsa.plan.augmentation import Augmentation, draw_augmentation
from nsa.settings.config import ImageConfig, SynthesisConfig, TrainConfig
from nsa.training.distributed import ALONE, Ranks
from nsa.training.masks import AugmentedMasks
from nsa.training.schedule import AUGMENTATION, SYNTHESIS, derive_seed, epoch_batches
from nsa.training.share import take_share


@dataclass(frozen=True)
class Drawn:
    """One step, before any pixel is touched.

    Attributes:
        epoch, step: which one; ``step`` counts within the epoch.
        total: images of the whole batch.
        own: how many of them this process trains on: the first of ``image``.
        image: int64 (n,), which training images it takes; those after ``own`` only give patches.
        augmentation: how each of them is rotated, cropped and flipped.
        plan: the anomalies of the augmented images.
    """

    epoch: int
    step: int
    total: int
    own: int
    image: npt.NDArray[np.int64]
    augmentation: Augmentation
    plan: Plan

    def __len__(self) -> int:
        return len(self.image)


class StepDrawer:
    """Draws the steps of a run in any order, from any thread.

    Args:
        images: uint8 (N, C, height, width) on the CPU, stored channels-last.
        synthesis, image_config, training: the settings.
        threads: how many of them one draw may use.
        ranks: the processes that share every batch.
    """

    def __init__(
        self,
        images: Tensor,
        synthesis: SynthesisConfig,
        image_config: ImageConfig,
        training: TrainConfig,
        *,
        threads: int,
        ranks: Ranks = ALONE,
    ) -> None:
        # Kept while steps of an epoch are drawn: the order of a large set takes as long as a plan.
        self._batches = functools.lru_cache(maxsize=4)(
            functools.partial(_batches, len(images), training)
        )
        self._synthesis, self._images, self._training = synthesis, image_config, training
        self._threads, self._ranks = threads, ranks
        self._masks: AugmentedMasks | None = None
        if synthesis.mask_background is not None:
            self._masks = AugmentedMasks(
                images.permute(0, 2, 3, 1).numpy(),
                synthesis.mask_background,
                synthesis.background_threshold,
            )

    def sizes(self, epoch: int) -> list[int]:
        """Images of every step of an epoch, of all ranks."""
        return [len(batch) for batch in self._batches(epoch)]

    def __call__(self, epoch: int, step: int) -> Drawn:
        """The step at a position; the same for the same settings on every machine.

        Ranks draw the whole batch and keep their share.
        """
        image = self._batches(epoch)[step]
        augmentation = draw_augmentation(
            self._images, len(image), self._seed(AUGMENTATION, epoch, step)
        )
        masks = None
        if self._masks is not None:
            # All are 0 or 1, and as bool that need not be checked.
            masks = self._masks(image, augmentation, self._threads).view(np.bool_)
        plan = draw_plan(
            self._synthesis,
            len(image),
            *self._images.crop,
            seed=self._seed(SYNTHESIS, epoch, step),
            object_masks=masks,
        )
        total = len(image)
        own = self._ranks.share(total)
        if len(own) < total:
            chosen, plan = take_share(plan, total, own)
            image, augmentation = image[chosen], augmentation.of(chosen)
        return Drawn(epoch, step, total, len(own), image, augmentation, plan)

    def _seed(self, stream: int, epoch: int, step: int) -> int:
        return derive_seed(self._training.seed, stream, epoch, step)


def _batches(count: int, training: TrainConfig, epoch: int) -> list[npt.NDArray[np.int64]]:
    return [batch.numpy() for batch in epoch_batches(count, training, epoch)]
