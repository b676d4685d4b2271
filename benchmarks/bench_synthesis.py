"""Whole synthesis: normal images in, anomalies and labels out."""

import itertools

import numpy as np
import pytest
import torch
from common import product_images, texture_images

import nsa
from nsa import reference

BATCH = 64
SCENES = {
    "texture": ("carpet", texture_images, 256),  # at most 4 patches, mixed gradients
    "object": ("bottle", product_images, 224),  # at most 3, source gradients, object masks
}


def make_batch(scene):
    preset, draw, size = SCENES[scene]
    return preset, torch.from_numpy(draw(BATCH, size)).permute(0, 3, 1, 2)


@pytest.mark.parametrize("peer", ["nsa", "reference"])
@pytest.mark.parametrize("label", ["logistic", "binary"])
@pytest.mark.parametrize("scene", SCENES)
def test_synthesis(benchmark, scene, label, peer):
    """Each with its own sampler; the same distribution of patches, other patches."""
    name, images = make_batch(scene)
    benchmark.group = f"synthesis, {label}, {name}, {images.shape[2]} px RGB"
    benchmark.extra_info.update(peer=peer, images=BATCH)
    transform = nsa.NSA.from_preset(name, label=label, generator=torch.Generator().manual_seed(0))
    if peer == "nsa":
        _, labels = benchmark(transform, images)
        labels = labels[:, 0].numpy()
    else:
        pixels = np.ascontiguousarray(images.permute(0, 2, 3, 1).numpy())
        seeds = itertools.count()
        _, labels = benchmark.pedantic(
            lambda: reference.synthesize(pixels, transform.config, next(seeds)),
            rounds=5,
            warmup_rounds=1,
        )
    assert (labels > 0).any(axis=(1, 2)).mean() > 0.9


@pytest.mark.parametrize(
    "peer", [pytest.param("nsa", marks=pytest.mark.threads(0)), "nsa on one core"]
)
@pytest.mark.parametrize("scene", SCENES)
def test_scaling(benchmark, scene, peer):
    """All cores beside one; the result is the same to the bit."""
    name, images = make_batch(scene)
    benchmark.group = f"scaling of the synthesis over cores, {name}, {images.shape[2]} px RGB"
    benchmark.extra_info.update(peer=peer, images=BATCH)
    transform = nsa.NSA.from_preset(name, generator=torch.Generator().manual_seed(0))
    benchmark(transform, images)
    plan = transform.plan(images, seed=1)
    changed, labels = transform.synthesize(images, plan)
    torch.set_num_threads(1)
    for one, other in zip(transform.synthesize(images, plan), (changed, labels), strict=True):
        assert torch.equal(one, other)
