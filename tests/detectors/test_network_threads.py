"""A training that chooses its number of threads, and one whose number is fixed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from tiny import nsa, write_config

from nsa.detectors.network import threads


class Alternating:
    """Instead of the choice: another number after every step."""

    made: list[tuple[int, int]]  # most and start of each

    def __init__(self, most: int, start: int, steps: int, changed: Any, idle: Any) -> None:
        assert idle() is None or idle() >= 0
        self.made.append((most, start))
        assert steps > 0
        self.threads, self._changed = start, changed

    def after_step(self, seconds: float, whole: bool) -> int:
        assert seconds > 0
        assert whole  # nine images by threes
        self.threads = 3 - self.threads
        self._changed(self.threads, {1: 2.0, 2: 4.0})
        return self.threads


@pytest.fixture(autouse=True)
def two_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    Alternating.made = []
    monkeypatch.setattr(threads, "ThreadChoice", Alternating)
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(1)


def written(run: Path) -> tuple[Any, Any]:
    """The configuration and the times of a run."""
    config = yaml.safe_load((run / "config.yaml").read_text())
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["configuration"]["threads"] == config["threads"]
    assert metrics["hardware"]["threads"] == 2
    assert torch.get_num_threads() == 2
    return config["threads"], metrics["times"]


def test_the_number_follows_the_choice_and_outlasts_an_interruption(
    data: Path, tmp_path: Path, stop_after: Callable[[int], None]
) -> None:
    config, run = write_config(tmp_path / "options.yaml", epochs=2), tmp_path / "run"
    stop_after(3)
    result = nsa("train", "--data-root", data, "--config", config, "--output", run)
    assert result.exit_code == 130, result.output
    assert "From now on 1 thread: 0.8 images/s with 2, 1.5 images/s with 1." in result.stderr
    assert yaml.safe_load((run / "config.yaml").read_text())["threads"] is None
    assert torch.get_num_threads() == 2
    stop_after(1000)
    resumed = nsa("train", "--resume", run)
    assert resumed.exit_code == 0, resumed.output
    assert "(fp32, 1 thread)" in resumed.stderr
    assert Alternating.made == [(2, 2), (2, 1)]
    fixed, times = written(run)
    assert fixed is None
    parts = times["seconds_with_1_thread"], times["seconds_with_2_threads"]
    assert sum(parts) == pytest.approx(times["training_seconds"])
    assert min(parts) > 0
    evaluated = nsa("evaluate", run)
    assert evaluated.exit_code == 0, evaluated.output
    assert written(run)[1]["seconds_with_1_thread"] == parts[0]


@pytest.mark.parametrize("profiled", [False, True])
def test_a_fixed_number_is_never_changed(
    profiled: bool, data: Path, one_epoch: Path, tmp_path: Path
) -> None:
    """Nor is any while steps are measured."""
    run = tmp_path / "run"
    asked = ("--profile",) if profiled else ("--threads", 2)
    result = nsa("train", "--data-root", data, "--config", one_epoch, *asked, "--output", run)
    assert result.exit_code == 0, result.output
    assert not Alternating.made
    fixed, times = written(run)
    assert fixed == (None if profiled else 2)
    assert times["seconds_with_2_threads"] == pytest.approx(times["training_seconds"])


def test_a_number_can_be_fixed_later(
    data: Path, one_epoch: Path, tmp_path: Path, stop_after: Callable[[int], None]
) -> None:
    run = tmp_path / "run"
    stop_after(1)
    assert nsa(
        "train", "--data-root", data, "--config", one_epoch, "--output", run
    ).exit_code == 130  # fmt: skip
    stop_after(1000)
    assert nsa("train", "--resume", run, "--threads", 1).exit_code == 0
    assert len(Alternating.made) == 1
    assert yaml.safe_load((run / "config.yaml").read_text())["threads"] == 1
