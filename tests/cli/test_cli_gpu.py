"""What the command line says of time and of a GPU's troubles, which the CPU plays."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import nsa, write_config, write_product
from torch import Tensor

import nsa.detectors.network.session as session
from nsa.detectors.network.detector import NetworkDetector
from nsa.detectors.network.settings import NetworkSettings
from nsa.errors import InputError
from nsa.model import EncoderDecoder
from nsa.settings.config import ImageConfig, SynthesisConfig, TrainConfig
from nsa.training.steps import HostSteps

LOST = "CUDA error: unspecified launch failure\nCompile with `TORCH_USE_CUDA_DSA`."


@pytest.fixture
def command(tmp_path: Path) -> Callable[..., Any]:
    """``nsa train`` on a tiny product, into ``tmp_path / "run"``."""
    data = write_product(tmp_path / "data", train=8)
    config = write_config(tmp_path / "options.yaml")
    folder = tmp_path / "run"

    def train(*more: str) -> Any:
        return nsa("train", "--data-root", data, "--config", config, "--output", folder, *more)

    return train


def fail_at(monkeypatch: pytest.MonkeyPatch, step: int, error: Exception) -> None:
    plain, left = HostSteps.run, [step]

    def run(self: HostSteps, *arguments: Any) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise error
        plain(self, *arguments)

    monkeypatch.setattr(HostSteps, "run", run)


def test_profile_prints_a_table_and_writes_a_trace(
    command: Callable[..., Any], tmp_path: Path
) -> None:
    result = command("--profile")
    assert result.exit_code == 0, result.output
    for part in ("plan wait", "synthesis", "forward", "backward", "optimiser"):
        assert part in result.stdout
    trace = json.loads((tmp_path / "run" / "trace.json").read_text())
    assert any(event.get("name") == "backward" for event in trace["traceEvents"])
    assert "trace.json" in result.stderr
    times = json.loads((tmp_path / "run" / "metrics.json").read_text())["times"]
    assert 0 <= times["plan_wait_seconds"] < times["training_seconds"]


def test_profile_has_nothing_to_measure_in_a_gaussian(data: Path, tmp_path: Path) -> None:
    place = ("--data-root", data, "--output", tmp_path / "run")
    result = nsa("train", *place, "--profile", "--method", "gaussian")
    assert result.exit_code == 2
    assert "--profile" in result.stderr


def test_a_lost_gpu_names_the_checkpoint_and_the_run_continues(
    command: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    with monkeypatch.context() as broken:
        fail_at(broken, 4, RuntimeError(LOST))
        result = command()
    assert result.exit_code == 2
    run = tmp_path / "run"
    text = " ".join(result.stderr.split())
    assert "The GPU failed in epoch 2, step 2 (CUDA error: unspecified launch failure)" in text
    assert f"continue with nsa train --resume {run}" in text
    assert "Traceback" not in text
    resumed = nsa("train", "--resume", run)
    assert resumed.exit_code == 0, resumed.output
    assert "Continuing at epoch 2, step 2" in resumed.stderr


def test_too_little_memory_says_what_to_lower(
    command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_at(monkeypatch, 1, torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 3 GiB."))
    result = command()
    assert result.exit_code == 2
    text = " ".join(result.stderr.split())
    assert "batches of 4 images of 64 x 64 px needs 3 GiB more GPU memory; lower --batch" in text


def detector() -> NetworkDetector:
    settings = NetworkSettings(
        category="disc", kind="object", synthesis=SynthesisConfig(), training=TrainConfig(),
        images=ImageConfig(size=(64, 64), center_crop=None, crop=(64, 64)),
    )  # fmt: skip
    return NetworkDetector(EncoderDecoder(), settings, torch.device("cpu"))


def test_inference_takes_smaller_batches_where_memory_is_short(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    images = torch.randint(256, (11, 3, 64, 64), dtype=torch.uint8)
    judge = detector()
    expected = judge.maps(images)
    plain, most, sizes = NetworkDetector._maps, [3], []

    def limited(self: NetworkDetector, batch: Tensor) -> Tensor:
        if len(batch) > most[0]:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        sizes.append(len(batch))
        return plain(self, batch)

    monkeypatch.setattr(NetworkDetector, "_maps", limited)
    torch.testing.assert_close(judge.maps(images), expected)
    assert sizes == [2, 2, 2, 2, 2, 1]
    most[0] = 0
    with pytest.raises(InputError, match="too little free memory for one image of 64 x 64 px"):
        judge.maps(images)
