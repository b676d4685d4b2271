"""What ``nsa train --resume`` continues, changes and repairs, on tiny images."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file
from tiny import nsa, rows, sentence, write_config

from nsa.errors import InputError


def training_of(run: Path) -> dict[str, Any]:
    section: dict[str, Any] = yaml.safe_load((run / "config.yaml").read_text())["training"]
    assert json.loads((run / "metrics.json").read_text())["configuration"]["training"] == section
    return section


def assert_same_weights(one: Path, two: Path) -> None:
    first, second = (load_file(run / "model.safetensors") for run in (one, two))
    torch.testing.assert_close(first, second, rtol=0, atol=0)  # says which and how far apart


@pytest.fixture
def stopped(
    data: Path, tmp_path: Path, stop_after: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A run of ten epochs of three steps, stopped after the second step of the second epoch."""
    config = write_config(tmp_path / "o.yaml", epochs=10)
    stop_after(5)
    run = tmp_path / "stopped"
    result = nsa("train", "--data-root", data, "--config", config, "--output", run)
    assert result.exit_code == 130, result.output
    assert f"nsa train --resume {run} (add --epochs 1 to end it as it is)" in result.stderr
    monkeypatch.undo()
    return run


def test_a_shell_takes_the_suggested_command(
    data: Path, one_epoch: Path, tmp_path: Path, stop_after: Callable[[int], None]
) -> None:
    run = tmp_path / "Gute Teile's $1"
    stop_after(1)
    result = nsa("train", "--data-root", data, "--config", one_epoch, "--output", run)
    assert result.exit_code == 130, result.output
    suggested = result.stderr.partition("continue with: ")[2]
    assert shlex.split(suggested) == ["nsa", "train", "--resume", str(run)]
    for refused in (nsa("evaluate", run), nsa("train", "--data-root", data, "--output", run)):
        suggested = sentence(refused).partition(" --resume ")[2]
        assert shlex.split(suggested)[0] == str(run)


def test_a_stopped_run_ends_where_it_stands(stopped: Path, tmp_path: Path) -> None:
    state = load_file(stopped / "checkpoint.safetensors")
    assert nsa("train", "--resume", stopped, "--epochs", 1).exit_code == 0
    for name, weights in load_file(stopped / "model.safetensors").items():
        assert torch.equal(weights, state[f"model/{name}"])
    section = training_of(stopped)
    assert (section["epochs"], section["extra_steps"]) == (1, 2)
    assert section["former_epochs"] == [[2, 10]]
    assert [row["learning_rate"] for row in rows(stopped / "log.csv")] == ["0.001"]
    again = nsa("train", "--config", stopped / "config.yaml", "--output", tmp_path / "again")
    assert again.exit_code == 0, again.output
    assert_same_weights(stopped, tmp_path / "again")
    assert "is finished after 1 epoch and has given up its state" in sentence(
        nsa("train", "--resume", stopped, "--epochs", 3)
    )


def test_a_stopped_run_goes_on_to_other_epochs(stopped: Path, tmp_path: Path) -> None:
    assert "--batch-size cannot change" in sentence(
        nsa("train", "--resume", stopped, "--epochs", 3, "--batch-size", 5)
    )
    assert yaml.safe_load((stopped / "config.yaml").read_text())["training"]["epochs"] == 10
    assert nsa("train", "--resume", stopped, "--epochs", 3).exit_code == 0
    section = training_of(stopped)
    assert (section["epochs"], section["former_epochs"]) == (3, [[2, 10]])
    assert "extra_steps" not in section
    rates = [float(row["learning_rate"]) for row in rows(stopped / "log.csv")]
    assert rates == pytest.approx([1e-3, 0.97555e-3, 0.25075e-3], rel=1e-4)
    again = nsa("train", "--config", stopped / "config.yaml", "--output", tmp_path / "again")
    assert again.exit_code == 0, again.output
    assert_same_weights(stopped, tmp_path / "again")


def test_pictures_that_are_missing_are_drawn(network_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(network_run, run)
    for name in ("loss.png", "examples.png"):
        (run / name).unlink()
    assert nsa("train", "--resume", run).exit_code == 0
    for name in ("loss.png", "examples.png"):
        assert (run / name).read_bytes() == (network_run / name).read_bytes()
    (run / "loss.png").unlink()
    (run / "log.csv").write_text("epoch,loss\n1,much\n")
    message = sentence(nsa("train", "--resume", run))
    assert "log.csv cannot be read" in message
    assert f"nsa train --resume {run} does the rest." in message


@pytest.mark.parametrize("picture", ["loss_curve", "heat_map_grid"])
def test_a_full_disk_at_a_picture_does_not_lose_the_run(
    picture: str, data: Path, one_epoch: Path, network_run: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def full(*_: Any, **__: Any) -> None:
        raise InputError("Cannot write it: No space left on device.")

    where = "nsa.runs.evaluate" if picture == "heat_map_grid" else "nsa.detectors.network.session"
    monkeypatch.setattr(f"{where}.{picture}", full)
    run = tmp_path / "run"
    result = nsa("train", "--data-root", data, "--config", one_epoch, "--output", run)
    assert sentence(result) == (
        "Error: Cannot write it: No space left on device. The training itself is saved; nsa train "
        f"--resume {run} does the rest."
    )
    monkeypatch.undo()
    trained = (run / "model.safetensors").stat().st_mtime_ns
    assert nsa("train", "--resume", run).exit_code == 0
    assert (run / "model.safetensors").stat().st_mtime_ns == trained
    names = {entry.name for entry in run.iterdir()}
    assert names == {entry.name for entry in network_run.iterdir()}
    assert json.loads((run / "metrics.json").read_text())["times"]["training_seconds"] > 0


@pytest.mark.parametrize("moment", ["load_test_set", "evaluate"])
def test_ctrl_c_outside_the_steps(
    moment: str, data: Path, one_epoch: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(f"nsa.runs.work.{moment}", interrupt)
    run = tmp_path / "run"
    result = nsa("train", "--data-root", data, "--config", one_epoch, "--output", run)
    assert result.exit_code == 130, result.output
    said = result.stderr.splitlines()[-1]
    if moment == "load_test_set":
        assert said == "Interrupted; nothing was saved."
        assert not run.exists()
        return
    assert said == f"Interrupted; continue with: nsa train --resume {run}"
    monkeypatch.undo()
    assert nsa("train", "--resume", run).exit_code == 0
    assert not (run / "checkpoint.safetensors").exists()


def test_a_signal_after_the_last_step_stops_too(
    data: Path, one_epoch: Path, tmp_path: Path, stop_after: Callable[[int], None]
) -> None:
    stop_after(4)  # asked once a step, and once at the end
    run = tmp_path / "run"
    result = nsa("train", "--data-root", data, "--config", one_epoch, "--output", run)
    assert result.exit_code == 130, result.output
    assert f"Stopped after the last epoch and saved; continue with: nsa train --resume {run}" in (
        result.stderr
    )


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs affinity")
def test_threads_decide_the_rounding_and_cores_do_not(
    data: Path, one_epoch: Path, tmp_path: Path, stop_after: Callable[[int], None]
) -> None:
    """Two threads on one core; and on all of them, where a run is continued that had two."""
    cores = os.sched_getaffinity(0)
    common = ("train", "--data-root", data, "--config", one_epoch, "--threads", 2, "--output")
    subprocess.run(
        [sys.executable, "-m", "nsa", *map(str, common), str(tmp_path / "one")],
        env={**os.environ, "OMP_WAIT_POLICY": "passive"},  # or each waits for the other's turn
        preexec_fn=lambda: os.sched_setaffinity(0, {min(cores)}),
        check=True, capture_output=True,
    )  # fmt: skip
    stop_after(2)
    assert nsa(*common, tmp_path / "two").exit_code == 130
    stop_after(1000)
    resumed = nsa("train", "--resume", tmp_path / "two")
    assert resumed.exit_code == 0, resumed.output
    assert "(fp32, 2 threads)" in resumed.stderr
    assert torch.get_num_threads() == 1  # as before
    assert_same_weights(tmp_path / "one", tmp_path / "two")
    for run in (tmp_path / "one", tmp_path / "two"):
        assert yaml.safe_load((run / "config.yaml").read_text())["threads"] == 2
        metrics = json.loads((run / "metrics.json").read_text())
        assert metrics["configuration"]["threads"] == metrics["hardware"]["threads"] == 2
