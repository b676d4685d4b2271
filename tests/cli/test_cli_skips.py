"""``nsa train --skips``: a network with skip connections, from the training to its files."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
import yaml
from safetensors.torch import load_file
from tiny import nsa, rows, sentence

from nsa.detectors.network.detector import NetworkDetector
from nsa.detectors.registry import load


def test_a_run_keeps_its_kind_of_network(
    more_data: Path,
    one_epoch: Path,
    normals: Path,
    tmp_path: Path,
    stop_after: Callable[[int], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run, out, onnx = tmp_path / "run", tmp_path / "out", tmp_path / "detector.onnx"
    options = ("--data-root", more_data, "--config", one_epoch, "--output", run)
    stop_after(1)
    assert nsa("train", *options, "--skips").exit_code == 130
    monkeypatch.undo()
    cannot = "Error: --skips cannot change in a run that has begun"
    assert sentence(nsa("train", "--resume", run, "--no-skips")).startswith(cannot)
    result = nsa("train", "--resume", run, "--skips")
    assert result.exit_code == 0, result.output
    again = ("train", "--resume-from", run, "--output", tmp_path / "again")
    assert sentence(nsa(*again, "--no-skips")).startswith(cannot)
    names = {name.partition(".")[0] for name in load_file(run / "model.safetensors")}
    assert "lateral" in names

    detector = load(run, "cpu")
    assert isinstance(detector, NetworkDetector)
    assert detector.network.skips
    result = nsa("predict", run, normals, "--output", out, "--no-overlays", "--device", "cpu")
    assert result.exit_code == 0, result.output
    result = nsa("export", run, "--output", onnx)
    assert result.exit_code == 0, result.output
    images = torch.randint(256, (2, 3, 72, 72), dtype=torch.uint8)
    maps = onnxruntime.InferenceSession(onnx).run(None, {"images": images.numpy()})[0]
    np.testing.assert_allclose(maps, detector.maps(images), rtol=0, atol=1e-5)
    assert len(rows(out / "scores.csv")) == 19

    config = run / "config.yaml"
    settings = yaml.safe_load(config.read_text())
    assert settings["training"].pop("skips") is True
    config.write_text(yaml.safe_dump(settings))
    said = sentence(nsa("predict", run, normals, "--output", tmp_path / "other"))
    assert "model.safetensors holds the weights of another network" in said


def test_the_papers_network_is_no_setting(network_run: Path, tmp_path: Path) -> None:
    """As in all runs of earlier versions, whose files say nothing of it."""
    run = Path(shutil.copytree(network_run, tmp_path / "run"))
    settings = yaml.safe_load((run / "config.yaml").read_text())
    assert settings["training"].pop("skips") is False
    (run / "config.yaml").write_text(yaml.safe_dump(settings))
    again = ("train", "--resume-from", run, "--output", tmp_path / "again", "--skips")
    said = sentence(nsa(*again))
    assert said.startswith("Error: --skips cannot change in a run that has begun")
    assert not (tmp_path / "again").exists()
