"""Levels against the tables of the papers; on the meta device, where only shapes are computed."""

from __future__ import annotations

import functools
import math

import pytest
import torch

from nsa.errors import InputError
from nsa.model.backbones import NETWORKS, Levels, find_network, random_network

# Table VI (EfficientNet-B0) and the ResNet paper's Table 1: side of each level's output at 224 px.
SIDES = {
    "efficientnet_b0": (112, 112, 56, 28, 14, 14, 7, 7, 7),
    "efficientnet_lite0": (112, 112, 56, 28, 14, 14, 7, 7, 7),
    "resnet18": (112, 56, 28, 14, 7),
    "resnet34": (112, 56, 28, 14, 7),
    "resnet50": (112, 56, 28, 14, 7),
}
TABLE_VI_CHANNELS = (32, 16, 24, 40, 80, 112, 192, 320, 1280)
# Compound scaling of the EfficientNet paper, B0 to B7: factors of the channels, and image sides.
WIDTHS = (1.0, 1.0, 1.1, 1.2, 1.4, 1.6, 1.8, 2.0)
RESOLUTIONS = (224, 240, 260, 300, 380, 456, 528, 600)
# The ResNet paper's Table 1: basic blocks, and bottlenecks with four times their inner channels.
RESNET_CHANNELS = {
    "resnet18": (64, 64, 128, 256, 512),
    "resnet34": (64, 64, 128, 256, 512),
    "resnet50": (64, 4 * 64, 4 * 128, 4 * 256, 4 * 512),
}


@functools.cache
def on_meta(name: str) -> Levels:
    with torch.device("meta"):
        return Levels(name).eval()


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("sides", [None, (65, 98)])
def test_channels_and_strides_of_every_level(name: str, sides: tuple[int, int] | None) -> None:
    network = NETWORKS[name]
    height, width = sides or (network.size, network.size)
    levels = on_meta(name)
    images = torch.empty(2, 3, height, width, device="meta")
    assert [tuple(level.shape) for level in levels.activations(images)] == [
        (2, channels, math.ceil(height / stride), math.ceil(width / stride))
        for channels, stride in zip(network.channels, network.strides, strict=True)
    ]
    assert [tuple(level.shape) for level in levels(images)] == [(2, c) for c in network.channels]


def test_levels_of_the_paper() -> None:
    assert NETWORKS["efficientnet_b0"].channels == TABLE_VI_CHANNELS
    assert NETWORKS["efficientnet_b4"].channels[6] == 272  # Section IV-A: level 7 of B4
    assert {len(n.channels) for n in NETWORKS.values() if n.name.startswith("eff")} == {9}
    assert {len(n.channels) for n in NETWORKS.values() if n.name.startswith("res")} == {5}


def scaled(channels: int, width: float) -> int:
    """To the nearest multiple of 8, but no more than a tenth below."""
    rounded = int(channels * width + 4) // 8 * 8
    return rounded + 8 if rounded < 0.9 * channels * width else rounded


@pytest.mark.parametrize("variant", range(8))
def test_every_efficientnet_is_table_vi_scaled(variant: int) -> None:
    network = NETWORKS[f"efficientnet_b{variant}"]
    assert network.channels == tuple(scaled(c, WIDTHS[variant]) for c in TABLE_VI_CHANNELS)
    assert network.size == RESOLUTIONS[variant]


@pytest.mark.parametrize("name", RESNET_CHANNELS)
def test_every_resnet_has_the_channels_of_its_paper(name: str) -> None:
    assert (NETWORKS[name].channels, NETWORKS[name].size) == (RESNET_CHANNELS[name], 224)


@pytest.mark.parametrize("name", SIDES)
def test_side_of_every_level(name: str) -> None:
    outputs = on_meta(name).activations(torch.empty(1, 3, 224, 224, device="meta"))
    assert tuple(output.shape[-1] for output in outputs) == SIDES[name]


@pytest.mark.parametrize(
    ("name", "last"),
    [
        ("resnet18", "layer4"),
        ("efficientnet_b0", "features.8"),
        ("efficientnet_lite0", "features.8"),
    ],
)
def test_levels_are_the_networks_own_activations(name: str, last: str) -> None:
    levels = random_network(name, seed=0)
    seen = {}
    levels.body.get_submodule(last).register_forward_hook(lambda *a: seen.update(last=a[2]))
    x = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        features = levels(x)
        seen.clear()
        levels.body(x)  # its own forward
        outputs = levels.activations(x)
    torch.testing.assert_close(features[-1], seen["last"].mean((2, 3)))
    # None was changed by the levels after it.
    for feature, output in zip(features, outputs, strict=True):
        assert torch.equal(feature, output.mean((2, 3)))


def test_random_weights_come_from_the_seed_and_leave_the_global_state() -> None:
    before = torch.get_rng_state()
    first, same, other = (random_network("resnet18", seed).body.conv1.weight for seed in (3, 3, 4))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)
    assert torch.equal(before, torch.get_rng_state())


def test_unknown_network_suggests_the_nearest() -> None:
    assert find_network("EfficientNet-B4").name == "efficientnet_b4"
    with pytest.raises(InputError, match="did you mean 'resnet18'"):
        find_network("resnet19")
