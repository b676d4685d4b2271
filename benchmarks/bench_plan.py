"""Plans: sampling the patches of a batch, beside plain Python and the synthesis it serves."""

import itertools

import pytest
import torch
from common import product_images, texture_images

import nsa
from nsa import reference
from nsa.settings.fields import replace

BATCH = 64
PEERS = ["nsa", "reference", "whole synthesis"]  # the whole: nsa's plan, blending and labels
SCENES = {"carpet": (texture_images, 256), "bottle": (product_images, 224)}


@pytest.fixture(scope="module", params=SCENES)
def scene(request):
    """A category's name, a batch and its object masks, which are not part of the time of a plan."""
    draw, size = SCENES[request.param]
    config = nsa.preset(request.param).synthesis
    images = torch.from_numpy(draw(BATCH, size)).permute(0, 3, 1, 2)
    masks = None
    if config.background is not None:
        masks = nsa.object_masks(images, config.background, config.background_threshold)
        masks = masks[:, 0].numpy()
        assert 0.2 < masks.mean() < 0.8
    return request.param, config, images, masks


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("variant", ["released", "paper"])
def test_plan(benchmark, scene, variant, peer):
    name, config, images, masks = scene
    config = replace(config, variant=variant)
    size = images.shape[2]
    benchmark.group = f"plan of {BATCH} images, {name}, {size} px, {variant}"
    benchmark.extra_info.update(peer=peer, images=BATCH)
    seeds = itertools.count()  # a new plan every round, as in training
    if peer == "nsa":
        plan = benchmark(
            lambda: nsa.draw_plan(config, BATCH, size, size, seed=next(seeds), object_masks=masks)
        )
        assert len(plan) > BATCH
    elif peer == "reference":
        benchmark.pedantic(
            lambda: reference.draw_plan(
                config, BATCH, size, size, seed=next(seeds), object_masks=masks
            ),
            rounds=5,
            warmup_rounds=1,
        )
    else:
        transform = nsa.NSA(config, generator=torch.Generator().manual_seed(0))
        _, labels = benchmark(transform, images)
        assert 0 < labels.mean() < 1
