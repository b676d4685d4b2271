"""Networks of timm by name, with weights from files and seeds; nothing is fetched."""

from __future__ import annotations

import importlib
import math
import re
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from nsa.errors import InputError
from nsa.gaussian import FeatureExtractor
from nsa.model._torchvision import torchvision_models
from nsa.model.backbones import find_network
from nsa.model.pretrained import fetch_weights, is_weights_file, load_network
from nsa.model.timm_networks import timm_network

torchvision_models()  # mends its import where need be, which timm needs too
timm: Any = pytest.importorskip("timm")

# Stages in a list, of a class of their own, with channels last, and of a transformer.
NAMES = ("test_resnet", "test_efficientnet", "test_mambaout", "test_vit")


def activations(name: str, weights: str | Path, x: Tensor) -> list[Tensor]:
    with torch.no_grad():
        return load_network(name, weights, seed=1).activations(x)


@pytest.mark.parametrize("name", NAMES)
def test_levels_channels_and_strides(name: str) -> None:
    network = find_network(f"timm:{name}")
    assert network.name.startswith(f"timm:{name}")
    config = timm.get_pretrained_cfg(name)
    assert network.size == config.input_size[1]
    assert (network.scaling.mean, network.scaling.deviation) == (config.mean, config.std)
    levels = load_network(network.name, "random", seed=1)
    assert levels.scaling == network.scaling
    x = torch.randn(1, 3, network.size, network.size)
    with torch.no_grad():
        outputs, means = levels.activations(x), levels(x)
    assert [tuple(output.shape) for output in outputs] == [
        (1, channels, math.ceil(network.size / stride), math.ceil(network.size / stride))
        for channels, stride in zip(network.channels, network.strides, strict=True)
    ]
    for output, mean in zip(outputs, means, strict=True):
        torch.testing.assert_close(mean, output.mean((2, 3)), rtol=1e-5, atol=1e-5)
    assert not levels.training
    assert not any(parameter.requires_grad for parameter in levels.parameters())


def image(side: int) -> Tensor:
    return torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(0))


def whole_network(name: str, classes: int = 1000) -> Any:
    torch.manual_seed(7)
    return timm.create_model(name, num_classes=classes).eval()


@pytest.mark.parametrize("name", NAMES)
def test_state_dict_of_the_whole_network(name: str, tmp_path: Path) -> None:
    whole, path = whole_network(name, classes=5), tmp_path / "weights.pth"
    torch.save(whole.state_dict(), path)
    before = torch.get_rng_state()
    network = find_network(f"timm:{name}")
    x = image(network.size)
    found = activations(network.name, path, x)
    assert torch.equal(before, torch.get_rng_state())
    with torch.no_grad():
        expected = whole.forward_intermediates(x, norm=False, intermediates_only=True)
    torch.testing.assert_close(found[-1], expected[-1], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_saved_levels_are_loaded_again(name: str, tmp_path: Path) -> None:
    levels = load_network(f"timm:{name}", "random", seed=3)
    path = tmp_path / "weights.safetensors"
    safetensors.torch.save_file(dict(levels.body.state_dict()), path)
    x = image(levels.entry.size)
    with torch.no_grad():
        expected = levels.activations(x)
    for one, other in zip(activations(levels.entry.name, path, x), expected, strict=True):
        assert torch.equal(one, other)


def test_weights_come_from_the_seed_and_leave_the_global_state() -> None:
    timm_network.cache_clear()
    before = torch.get_rng_state()
    first, same, other = (load_network("timm:test_resnet", None, seed) for seed in (3, 3, 4))
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(first.body.conv1[0].weight, same.body.conv1[0].weight)
    assert not torch.equal(first.body.conv1[0].weight, other.body.conv1[0].weight)


def test_weights_of_another_network(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save(whole_network("test_byobnet").state_dict(), path)
    with pytest.raises(InputError, match=r"not hold the weights of timm:test_resnet.* it lacks"):
        load_network("timm:test_resnet", path)
    state = whole_network("test_resnet").state_dict()
    for name, value, message in (
        ("layer9.weight", torch.zeros(1), "holds the unknown 'layer9.weight'"),
        ("bn1.weight", torch.zeros(3), r"'bn1.weight' has the shape \(3,\)"),
    ):
        torch.save(state | {name: value}, path)
        with pytest.raises(InputError, match=message):
            load_network("timm:test_resnet", path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("timm:test_resnt", "did you mean 'test_resnet'?"),
        ("timm:test_resnet.other", "did you mean 'test_resnet.r160_in1k'?"),
        ("timm:hf-hub:owner/test_resnet", "no network 'hf-hub:owner/test_resnet'"),
        ("timm:", "no network ''"),
    ],
)
def test_names_that_are_refused(name: str, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        find_network(name)


def test_a_network_of_images_that_are_not_square(monkeypatch: pytest.MonkeyPatch) -> None:
    network = timm.create_model("test_byobnet", features_only=True)
    network.pretrained_cfg = network.pretrained_cfg | {"input_size": (3, 1024, 768)}
    monkeypatch.setattr(timm, "create_model", lambda *_, **__: network)
    with pytest.raises(InputError, match="1024 x 768 pixels and 3 channels; name a network of sq"):
        find_network("timm:test_byobnet")


def test_a_network_without_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> nn.Module:
        raise RuntimeError("features_only not implemented for this model.")

    monkeypatch.setattr(timm, "create_model", refuse)
    with pytest.raises(InputError, match="gives no features of the stages of 'test_byobnet'"):
        find_network("timm:test_byobnet")


def test_images_of_another_size_than_a_transformer_takes() -> None:
    extractor = FeatureExtractor.load("timm:test_vit", "random", size=(64, 64))
    with pytest.raises(InputError, match="images of 160 x 160 pixels only, but these have 64 x 64"):
        extractor(torch.zeros(1, 3, 80, 80, dtype=torch.uint8))


def test_weights_that_cannot_be_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    create = timm.create_model

    def no_network(*names: Any, pretrained: bool = False, **options: Any) -> nn.Module:
        if pretrained:
            raise FileNotFoundError("no such file in the cache") from OSError(-2, "no route")
        network: nn.Module = create(*names, **options)
        return network

    monkeypatch.setattr(timm, "create_model", no_network)
    assert not is_weights_file("timm:test_resnet", "default")
    for fetch in (
        lambda: load_network("timm:test_resnet", "default"),
        lambda: fetch_weights(["timm:test_resnet"], "default"),
    ):
        with pytest.raises(InputError, match=r"cannot be fetched \(no route\)"):
            fetch()
    with pytest.raises(InputError, match="give a path, default or random"):
        load_network("timm:test_resnet", "missing.pth")


def test_networks_that_timm_has_no_weights_of() -> None:
    network = find_network("timm:ghostnet_050")
    assert network.name == "timm:ghostnet_050.untrained"
    with pytest.raises(InputError, match="timm has no weights of ghostnet_050"):
        load_network(network.name, "default")


def test_timm_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    timm_network.cache_clear()

    def missing(name: str) -> Any:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(InputError, match=r"pip install 'nsa\[timm\]'"):
        find_network("timm:test_resnet")


def test_timm_that_runs_code_of_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    timm_network.cache_clear()
    monkeypatch.setattr(timm, "__version__", "1.0.9")
    with pytest.raises(InputError, match=r"timm 1\.0\.9 would run code"):
        find_network("timm:test_resnet")
