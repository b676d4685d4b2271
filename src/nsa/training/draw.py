"""Everything random about a training step, drawn on the host as a function of its position."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nsa.images.full_size import FullSizeImages
from nsa.images.gather import gather
from nsa.plan import Plan, draw_plan, object_masks
from nsa.plan.augmentation import Augmentation, draw_augmentation, draw_crops, unchanged
from nsa.plan.light import Lights, draw_lights
from nsa.settings.config import ImageConfig, SynthesisConfig, TrainConfig
from nsa.training.distributed import ALONE, Ranks
from nsa.training.masks import AugmentedMasks, Pixels
from nsa.training.schedule import AUGMENTATION, LIGHT, SYNTHESIS, derive_seed, epoch_batches
from nsa.training.share import take_share


@dataclass(frozen=True)
class Drawn:
    """One step, before any pixel is touched.

    Attributes:
        epoch, step: which one; ``step`` counts within the epoch.
        total: images of the whole batch.
        own: how many of them this process trains on: the first of ``image``.
        image: int64 (n,), which training images it takes; those after ``own`` only give patches.
        augmentation: how each of them is still to be rotated, cropped and flipped.
        pixels: uint8 (n, *crop, C), crops of images of their own sizes, to which nothing is to be
            done any more; None: pixels are those of the stored images.
        plan: the anomalies of the augmented images.
        lights: in which each of the own images is seen with its anomalies; None: in its own.
        ignored: bool (n, *crop), pixels of these that do not count; None: all do.
    """

    epoch: int
    step: int
    total: int
    own: int
    image: npt.NDArray[np.int64]
    augmentation: Augmentation
    pixels: Pixels | None
    plan: Plan
    lights: Lights | None = None
    ignored: npt.NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.image)


class StepDrawer:
    """Draws the steps of a run in any order, from any thread.

    Args:
        images: uint8 (N, C, height, width) on the CPU, stored channels-last; or of their own sizes.
        synthesis, image_config, training: the settings.
        threads: how many of them one draw may use; None: as many as torch has by then.
        ranks: the processes that share every batch.
        ignored: bool (N or 1, height, width), pixels of the images that do not count. They are no
            part of the object that patches are cut from and blended into.
    """

    def __init__(
        self,
        images: Tensor | FullSizeImages,
        synthesis: SynthesisConfig,
        image_config: ImageConfig,
        training: TrainConfig,
        *,
        threads: int | None,
        ranks: Ranks = ALONE,
        ignored: Tensor | None = None,
    ) -> None:
        # Kept while steps of an epoch are drawn: the order of a large set takes as long as a plan.
        self._batches = functools.lru_cache(maxsize=4)(
            functools.partial(_batches, len(images), training)
        )
        self._synthesis, self._images, self._training = synthesis, image_config, training
        self._threads, self._ranks = threads, ranks
        self._store = images if isinstance(images, FullSizeImages) else None
        self._ignored = None if ignored is None else ignored[..., None].numpy().view(np.uint8)
        self._masks: AugmentedMasks | None = None
        if isinstance(images, Tensor) and synthesis.mask_background is not None:
            self._masks = AugmentedMasks(
                images.permute(0, 2, 3, 1).numpy(),
                synthesis.mask_background,
                synthesis.background_threshold,
            )

    def _count(self) -> int:
        """How many threads one draw may use."""
        return self._threads or torch.get_num_threads()

    def sizes(self, epoch: int) -> list[int]:
        """Images of every step of an epoch, of all ranks."""
        return [len(batch) for batch in self._batches(epoch)]

    def __call__(self, epoch: int, step: int) -> Drawn:
        """The step at a position; the same for the same settings on every machine.

        Ranks draw the whole batch and keep their share.
        """
        image = self._batches(epoch)[step]
        seed = self._seed(AUGMENTATION, epoch, step)
        pixels = masks = ignored = None
        if self._store is None:
            augmentation = draw_augmentation(self._images, len(image), seed)
            if self._masks is not None:
                # All are 0 or 1, and as bool that need not be checked.
                masks = self._masks(image, augmentation, self._count()).view(np.bool_)
            if self._ignored is not None:
                rows = image if len(self._ignored) > 1 else np.zeros_like(image)
                found = gather(self._ignored, rows, augmentation, self._count())
                ignored = found[..., 0].view(np.bool_)
        else:
            where = draw_crops(self._images, self._store.shapes[image], seed)
            pixels, augmentation = (
                self._store.crops(image, where),
                unchanged(len(image), where.crop),
            )
            self._store.expect(self._following(epoch, step))
            if self._store.ignores:
                ignored = pixels[..., -1].astype(np.bool_)
                pixels = np.ascontiguousarray(pixels[..., :-1])
            masks = self._masks_of(pixels)
        if ignored is not None:
            masks = ~ignored if masks is None else masks & ~ignored
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
            pixels = None if pixels is None else pixels[chosen]
            ignored = None if ignored is None else ignored[chosen]
        lights = draw_lights(self._images, total, self._seed(LIGHT, epoch, step))
        if lights is not None:
            lights = lights.of(slice(own.start, own.stop))
        return Drawn(
            epoch, step, total, len(own), image, augmentation, pixels, plan, lights, ignored
        )

    def _following(self, epoch: int, step: int) -> list[int]:
        """The images of the step after a step."""
        batches = self._batches(epoch)
        after = batches[step + 1] if step + 1 < len(batches) else self._batches(epoch + 1)[0]
        following: list[int] = after.tolist()
        return following

    def _masks_of(self, pixels: Pixels) -> npt.NDArray[np.bool_] | None:
        """Object masks of crops, (n, *crop), where the settings ask for them."""
        background = self._synthesis.mask_background
        if background is None:
            return None
        images = torch.from_numpy(pixels).permute(0, 3, 1, 2)
        found = object_masks(images, background, self._synthesis.background_threshold)
        masks: npt.NDArray[np.bool_] = found[:, 0].numpy().view(np.bool_)
        return masks

    def _seed(self, stream: int, epoch: int, step: int) -> int:
        return derive_seed(self._training.seed, stream, epoch, step)


def _batches(count: int, training: TrainConfig, epoch: int) -> list[npt.NDArray[np.int64]]:
    return [batch.numpy() for batch in epoch_batches(count, training, epoch)]
