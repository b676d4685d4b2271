"""The command that leads several trainings is killed, and the same results come of it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tiny import nsa, write_config, write_product

from nsa.jobs.inline import InlineExecutor

pytestmark = pytest.mark.thorough


@pytest.mark.skipif(sys.platform == "win32", reason="no POSIX signals")
def test_what_a_killed_command_left_is_continued(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the same command, at once: its worker, which still saves what it has, is waited for.

    Nothing is done twice.
    """
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    root = write_product(tmp_path / "products", train=4, good=2, defective=2)
    shutil.copytree(root / "disc", root / "plate")
    config, folder = write_config(tmp_path / "o.yaml", epochs=40), tmp_path / "out"
    command = (
        "train", "--data-root", root, "--config", config, "--threads", 1,
        "--category", "disc,plate", "--output", folder,
    )  # fmt: skip
    leader = subprocess.Popen(
        [sys.executable, "-m", "nsa", *map(str, command)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    log = folder / "plate.log"
    for _ in range(1200):
        if log.is_file() and "Training 'plate'" in log.read_text():
            break
        time.sleep(0.1)
    leader.kill()
    leader.wait(timeout=60)
    done = (folder / "disc" / "model.safetensors").stat().st_mtime_ns
    assert not (folder / "plate" / "metrics.json").exists()

    # In this process, to the result that a worker has.
    monkeypatch.setattr("nsa.jobs.choose.LocalExecutor", lambda *_: InlineExecutor())
    again = nsa(*command)
    assert again.exit_code == 0, again.output
    assert (folder / "disc" / "model.safetensors").stat().st_mtime_ns == done
    assert "continue with" in log.read_text()  # as the worker said when it had saved
    assert "Continuing plate." in again.stderr
    weights = [load_file(folder / name / "model.safetensors") for name in ("disc", "plate")]
    assert all(torch.equal(tensor, weights[1][name]) for name, tensor in weights[0].items())
