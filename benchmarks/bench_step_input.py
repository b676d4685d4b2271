"""What the host prepares for a training step on a GPU: masks, plan and packing, on one core."""

import numpy as np
import pytest
import torch
from common import product_images

import nsa
from nsa._native.extension import C
from nsa.images.augment import apply_augmentation
from nsa.images.gather import gather
from nsa.plan.augmentation import draw_augmentation
from nsa.training.draw import StepDrawer
from nsa.training.masks import AugmentedMasks
from nsa.training.packed import PackedStep

BATCH, STORED = 64, 192
H100 = C.DeviceLimits(227 * 1024, 132)


@pytest.fixture(scope="module")
def scene():
    """The bottle's settings, stored images, and which of them many steps take, how turned."""
    preset = nsa.preset("bottle")
    images = torch.from_numpy(product_images(STORED)).permute(0, 3, 1, 2)
    random = np.random.default_rng(0)
    steps = [
        (random.integers(0, STORED, BATCH), draw_augmentation(preset.images, BATCH, seed))
        for seed in range(20)
    ]
    return preset, images, steps


@pytest.mark.parametrize("peer", ["nsa", "all of the images"])
def test_masks(benchmark, scene, peer):
    preset, images, steps = scene
    background, threshold = preset.synthesis.background, preset.synthesis.background_threshold
    benchmark.group = f"object masks of {BATCH} augmented images, bottle"
    benchmark.extra_info.update(peer=peer, images=BATCH)
    turns = iter(range(10**9))
    masks = AugmentedMasks(images.permute(0, 2, 3, 1).numpy(), background, threshold)

    def plainly(image, augmentation):
        augmented = apply_augmentation(images[image], augmentation)
        return nsa.object_masks(augmented, background, threshold)[:, 0].numpy()

    def ours(image, augmentation):
        return masks(image, augmentation, 1)

    np.testing.assert_array_equal(ours(*steps[0]), plainly(*steps[0]))
    make = ours if peer == "nsa" else plainly
    benchmark(lambda: make(*steps[next(turns) % len(steps)]))


def test_pixels(benchmark, scene):
    _, images, steps = scene
    benchmark.group = f"rotated crops of {BATCH} images, bottle, RGB"
    benchmark.extra_info.update(peer="nsa", images=BATCH)
    store = images.permute(0, 2, 3, 1).numpy()
    turns = iter(range(10**9))
    benchmark(lambda: gather(store, *steps[next(turns) % len(steps)]))


def test_step(benchmark, scene):
    preset, images, _ = scene
    benchmark.group = f"input of a step of {BATCH} images, bottle, without their pixels"
    benchmark.extra_info.update(peer="nsa", images=BATCH)
    draw = StepDrawer(images, preset.synthesis, preset.images, preset.training, threads=1)
    layout = PackedStep(BATCH, STORED, preset.synthesis, preset.images, H100)
    block = torch.empty(layout.bytes, dtype=torch.uint8)
    turns = iter(range(10**9))

    def make():
        turn = next(turns)
        drawn = draw(turn // 3, turn % 3)
        layout.pack(drawn, drawn.image, block)

    benchmark(make)
