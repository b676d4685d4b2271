"""Folded networks: the same functions as those that were trained."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor, nn

from nsa.model import EncoderDecoder, folding
from nsa.model.backbones import Levels, random_network
from nsa.model.folded_levels import fold_levels
from nsa.model.folded_network import FoldedNetwork
from nsa.model.layers import Window

SIZES = [(32, 32), (33, 64), (33, 33), (100, 77)]


def after_training(module: nn.Module, seed: int) -> None:
    """Normalisations as a training leaves them, not as they begin."""
    torch.manual_seed(seed)
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            assert layer.running_mean is not None
            assert layer.running_var is not None
            layer.running_mean.normal_(0, 0.3)
            layer.running_var.uniform_(0.5, 2)
            layer.weight.data.uniform_(0.5, 1.5)
            layer.bias.data.normal_(0, 0.3)
    module.requires_grad_(False).eval()


def trained(channels: int = 3, seed: int = 0, skips: bool = False) -> EncoderDecoder:
    network = EncoderDecoder(channels, "sigmoid" if channels == 3 else "relu", skips)
    after_training(network, seed)
    return network


@pytest.fixture(params=[True, False], ids=["fused", "plain"])
def fused(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Weights in the order in which they are read where that is possible, and as they are."""
    if not request.param:
        monkeypatch.setattr(folding, "fuses", lambda _: False)
    return bool(request.param)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("skips", [False, True])
@torch.inference_mode()
def test_in_float64_logits_are_those_of_the_network(
    channels: int, skips: bool, fresh_seed: int
) -> None:
    network = trained(channels, fresh_seed, skips).double()
    folded = FoldedNetwork(network)
    for height, width in SIZES:
        x = torch.randn(2, channels, height, width, dtype=torch.float64)
        torch.testing.assert_close(folded(x), network(x), rtol=1e-11, atol=1e-11)


@pytest.mark.usefixtures("fused")
@torch.inference_mode()
def test_in_float32_maps_differ_by_rounding(fresh_seed: int) -> None:
    for channels, skips in ((1, False), (3, False), (3, True)):
        network = trained(channels, fresh_seed, skips)
        folded = FoldedNetwork(network)
        for height, width in SIZES:
            x = torch.randn(2, channels, height, width)
            kept = x.clone()
            maps, expected = folded.predict(x), network.predict(x)
            torch.testing.assert_close(maps, expected, rtol=1e-4, atol=2e-5)
            torch.testing.assert_close(maps.mean(), expected.mean(), rtol=1e-5, atol=1e-6)
            assert torch.equal(x, kept)  # shortcuts are added in place, but not to what is given


@torch.inference_mode()
def test_the_first_layer_in_parts_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    folded, x = FoldedNetwork(trained()), torch.randn(1, 3, 70, 90)
    whole = folded(x)
    monkeypatch.setattr("nsa.model.folded_network._LARGE", 1)
    torch.testing.assert_close(folded(x), whole, rtol=1e-5, atol=1e-5)


@torch.inference_mode()
def test_a_tile_is_placed_as_in_the_network() -> None:
    network, x = trained(), torch.randn(1, 3, 64, 96)
    window = Window(32, 64, 300, 400)
    expected = network.predict(x, window)
    torch.testing.assert_close(
        FoldedNetwork(network).predict(x, window), expected, rtol=1e-4, atol=2e-5
    )


@torch.inference_mode()
def test_maps_do_not_depend_on_the_number_of_threads() -> None:
    folded, x = FoldedNetwork(trained()), torch.randn(1, 3, 96, 128)
    before, maps = torch.get_num_threads(), []
    for count in (1, 2, 3):
        torch.set_num_threads(count)
        maps.append(folded.predict(x))
    torch.set_num_threads(before)
    assert all(torch.equal(one, other) for one, other in itertools.pairwise(maps))


def levels(name: str, channels: int = 3) -> tuple[Levels, Levels]:
    network = random_network(name, 0, channels)
    after_training(network, 1)
    return network, fold_levels(network)


def worst(one: list[Tensor], two: list[Tensor]) -> float:
    pairs = zip(one, two, strict=True)
    return max(float((a - b).abs().max() / b.abs().max()) for a, b in pairs)


@pytest.mark.parametrize("name", ["efficientnet_lite0", "resnet18", "resnet50", "efficientnet_b0"])
@torch.inference_mode()
def test_levels_of_networks_are_the_same(name: str, fused: bool) -> None:
    network, folded = levels(name)
    assert any(isinstance(layer, nn.BatchNorm2d) for layer in network.modules())
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in folded.modules())
    x = torch.randn(2, 3, 50, 77)
    last = torch.channels_last
    given = x.contiguous(memory_format=last)
    assert worst(folded.activations(given), network.activations(given)) < 1e-5
    if not fused:
        network.double()
        exact = fold_levels(network)
        assert worst(exact.activations(x.double()), network.activations(x.double())) < 1e-12


@torch.inference_mode()
def test_grey_networks_are_folded_too() -> None:
    network, folded = levels("resnet18", 1)
    x = torch.randn(1, 1, 64, 64)
    assert worst(folded.activations(x), network.activations(x)) < 1e-5


@torch.inference_mode()
def test_levels_do_not_depend_on_the_number_of_threads() -> None:
    _, folded = levels("efficientnet_lite0")
    x = torch.randn(1, 3, 96, 96).contiguous(memory_format=torch.channels_last)
    before, found = torch.get_num_threads(), []
    for count in (1, 2):
        torch.set_num_threads(count)
        found.append(folded.activations(x))
    torch.set_num_threads(before)
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


def test_weights_whose_order_depends_on_the_image_are_left_as_they_are() -> None:
    for shape in ((1280, 320, 1, 1), (32, 1, 3, 3)):
        assert not folding.packs(torch.zeros(shape))
    assert folding.packs(torch.zeros(64, 64, 3, 3))
    assert not folding.fuses(torch.zeros(64, 64, 3, 3, dtype=torch.float64))
