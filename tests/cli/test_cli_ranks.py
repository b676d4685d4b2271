"""``torchrun -m nsa.train``: stopping, continuing, and losing a process."""

import csv
import os
import signal
import sys
from pathlib import Path

import pytest
from ranks import LOCAL, finish, start, start_ranks, wait_for_training
from safetensors.torch import load_file
from tiny import nsa, write_config, write_product

from nsa.system.interrupt import StopRequest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="signals and a loopback named lo")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_product(tmp_path_factory.mktemp("data"), train=5)


def _stop_at_once(request: StopRequest) -> StopRequest:
    request.made = True
    return request


def losses(run: Path) -> list[float]:
    with (run / "log.csv").open() as file:
        return [float(row["loss"]) for row in csv.DictReader(file)]


def test_torchrun_stops_at_ctrl_c_and_continues(data: Path, tmp_path: Path) -> None:
    config, folder = write_config(tmp_path / "o.yaml", epochs=2), tmp_path / "run"
    common = ("--data-root", data, "--config", config)
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", 2)
    command = (*torchrun, "-m", "nsa.train", *common, "--output", folder)
    with start(command, {**os.environ, **LOCAL}) as agent:
        wait_for_training(agent)
        agent.send_signal(signal.SIGINT)
        assert agent.stderr is not None
        said = agent.stderr.read()
    # Rank 1 is silent.
    assert said.count(f"and saved; continue with: nsa train --resume {folder}") == 1
    assert {path.name for path in folder.iterdir()} == {
        "config.yaml", "checkpoint.safetensors", "log.csv", "training_images.safetensors"
    }  # fmt: skip

    ranks = start_ranks(2, "-m", "nsa.train", "--resume", folder)
    output = [process.communicate(timeout=300) for process in ranks]
    assert [process.returncode for process in ranks] == [0, 0], output
    assert "AUROC" in output[0][0]
    # Up to torch 2.9 Gloo itself says to how many peers it is connected.
    assert [line for line in output[1][0].splitlines() if not line.startswith("[Gloo]")] == []
    assert output[1][1] == ""
    assert not (folder / "checkpoint.safetensors").exists()
    assert nsa("evaluate", folder).exit_code == 0

    whole = tmp_path / "whole"
    assert nsa("train", *common, "--output", whole).exit_code == 0
    assert losses(folder)[0] == pytest.approx(losses(whole)[0], rel=1e-3)
    assert losses(folder) == pytest.approx(losses(whole), rel=1e-2)


def test_a_lost_rank_ends_the_run_with_a_sentence(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, folder = write_config(tmp_path / "o.yaml", epochs=100_000), tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(StopRequest, "__enter__", _stop_at_once)
        stopped = nsa("train", "--data-root", data, "--config", config, "--output", folder)
    assert stopped.exit_code == 130, stopped.output
    ranks = start_ranks(2, "-m", "nsa.train", "--resume", folder)
    wait_for_training(ranks[0])
    ranks[1].kill()
    said = finish(ranks)
    assert [process.returncode for process in ranks] == [2, -signal.SIGKILL]
    assert said[0].splitlines()[-1] == (
        "Error: Rank 1 of 2 was lost. The state of epoch 1, step 2 is in "
        f"{folder / 'checkpoint.safetensors'}; continue on any number of processes with --resume "
        f"{folder}"
    )
    assert "head.weight" in str(load_file(folder / "checkpoint.safetensors").keys())


def test_a_mistake_is_said_once(data: Path, tmp_path: Path) -> None:
    config = write_config(tmp_path / "o.yaml", batch_size=5)
    folder = tmp_path / "run"
    ranks = start_ranks(
        2, "-m", "nsa.train", "--data-root", data, "--config", config, "--output", folder
    )
    said = finish(ranks)
    assert [process.returncode for process in ranks] == [2, 2]
    assert said[0].splitlines()[-1].startswith("Error: A batch of 5 images cannot be shared")
    assert "cannot be shared" not in said[1]
    assert not folder.exists()
