"""Object masks without the augmented images, and the plans drawn from them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from turns import random_turns

from nsa.images.augment import apply_augmentation, augment
from nsa.plan import object_masks
from nsa.plan.augmentation import draw_augmentation
from nsa.settings.config import ImageConfig, SynthesisConfig, TrainConfig
from nsa.synthesis import NSA
from nsa.training.draw import StepDrawer
from nsa.training.masks import AugmentedMasks
from nsa.training.schedule import AUGMENTATION, SYNTHESIS, derive_seed, epoch_batches


def scenes(channels: int) -> torch.Tensor:
    """Blotches of every brightness, with noise: many pixels lie at the threshold."""
    generator = torch.Generator().manual_seed(channels)
    coarse = torch.rand(6, 1, 8, 9, generator=generator).expand(-1, channels, -1, -1) * 390 - 70
    smooth = torch.nn.functional.interpolate(coarse, (80, 91), mode="bilinear")
    noise = torch.randint(0, 9, smooth.shape, generator=generator)
    pixels = (smooth + noise).clamp(0, 255).to(torch.uint8)
    return pixels.contiguous(memory_format=torch.channels_last)


def image_config(channels: int, rotation: float) -> ImageConfig:
    return ImageConfig(
        channels=channels, size=(80, 91), center_crop=(76, 80), crop=(61, 67),
        rotation=rotation, vertical_flip=True,
    )  # fmt: skip


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("rotation", [0.0, 40.0])  # at 40 degrees black corners come in
@pytest.mark.parametrize("background", [0.0, 19.5, 200.0, 255.0])  # black is object or background
def test_masks_equal_those_of_the_augmented_images(
    channels: int, rotation: float, background: float
) -> None:
    images = scenes(channels)
    image = np.array([3, 0, 5, 5, 1, 2, 3])
    augmentation = draw_augmentation(image_config(channels, rotation), len(image), seed=4)
    augmented = apply_augmentation(images[image], augmentation)
    for threshold in (0.0, 20.0, 60.0):
        expected = object_masks(augmented, background, threshold)[:, 0].numpy()
        masks = AugmentedMasks(images.permute(0, 2, 3, 1).numpy(), background, threshold)
        for threads in (1, 2):
            np.testing.assert_array_equal(masks(image, augmentation, threads), expected)
    assert 0 < expected.mean() < 1


@pytest.mark.parametrize("trial", range(40))
def test_masks_of_any_size_and_turn(trial: int) -> None:
    """Whole words and parts of them, crops at the border, every angle; black as either."""
    random = np.random.default_rng(trial)
    size = tuple(int(side) for side in random.integers(1, 200, 2))
    coarse = torch.from_numpy(random.uniform(0, 255, (3, 1, 9, 9)))
    smooth = torch.nn.functional.interpolate(coarse, size, mode="bilinear").to(torch.uint8)
    images = smooth.contiguous(memory_format=torch.channels_last)
    image = random.integers(0, 3, 20)
    turns = random_turns(random, size, len(image))
    background = float(random.choice([0, 60, 128]))
    augmented = apply_augmentation(images[image], turns)
    expected = object_masks(augmented, background, 60.0)[:, 0].numpy()
    masks = AugmentedMasks(images.permute(0, 2, 3, 1).numpy(), background, 60.0)
    for threads in (1, 2):
        np.testing.assert_array_equal(masks(image, turns, threads), expected)


@pytest.mark.parametrize("background", [None, 100.0])
def test_steps_are_those_of_the_batch_transform(background: float | None) -> None:
    """The random streams of a run: order, augmentation, then a plan of the augmented images."""
    images, config = scenes(3), image_config(3, 5.0)
    synthesis = SynthesisConfig(background=background, min_object_share=0.2, min_overlap=0.1)
    training = TrainConfig(epochs=2, batch_size=4, seed=3)
    draw = StepDrawer(images, synthesis, config, training, threads=1)
    assert draw.sizes(1) == [3, 3]
    for epoch, step in ((0, 0), (0, 1), (1, 0)):
        drawn = draw(epoch, step)
        indices = epoch_batches(6, training, epoch)[step]
        seeds = [derive_seed(3, stream, epoch, step) for stream in (AUGMENTATION, SYNTHESIS)]
        plan = NSA(synthesis).plan(augment(images[indices], config, seed=seeds[0]), seeds[1])
        assert drawn.image.tolist() == indices.tolist()
        np.testing.assert_array_equal(drawn.plan.rows, plan.rows)
        np.testing.assert_array_equal(drawn.plan.masks, plan.masks)
        assert len(plan)
