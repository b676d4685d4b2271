"""``nsa reproduce`` on tiny images: jobs, resuming, workers and refusals."""

import io
import json
import pickle
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file
from tiny import nsa, sentence, unless_given, write_config
from typer.testing import Result as CliResult

from nsa.errors import InputError
from nsa.jobs.execute import FINISHED, RUNS, WAITS
from nsa.reproduce.live import LiveTable
from nsa.reproduce.nsa.jobs import plan_jobs
from nsa.reproduce.request import ReproduceRequest
from nsa.system.interrupt import StopRequest
from nsa.system.lock import FolderLock


def reproduce(data: Path, one_epoch: Path, output: Path, *more: object) -> CliResult:
    usual = (
        "--data-root", data, "--categories", "disc", "--config", one_epoch, "--output", output,
        "--table", "1,8",
    )  # fmt: skip
    return nsa("reproduce", *unless_given(usual, more), *more)


@pytest.fixture(autouse=True, scope="module")
def no_pictures() -> Iterator[None]:
    """Half of so short a training; only those of workers are drawn."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nsa.runs.evaluate.heat_map_grid", lambda *_, **__: None)
        patch.setattr("nsa.detectors.network.session.loss_curve", lambda *_, **__: None)
        yield


@pytest.fixture(scope="module")
def finished(data: Path, one_epoch: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with one job of each of two systems."""
    output = tmp_path_factory.mktemp("results") / "out"
    done = reproduce(data, one_epoch, output, "--methods", "fpi,nsa-continuous", "--seeds", "1")
    assert done.exit_code == 0, done.output
    return output


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> Path:
    """A copy to do harm to."""
    shutil.copytree(finished, tmp_path / "out")
    return tmp_path / "out"


def job_file(folder: Path, system: str) -> Path:
    [path] = (folder / "jobs").glob(f"disc-{system}-*.json")
    return path


def again(data: Path, one_epoch: Path, folder: Path) -> CliResult:
    result = reproduce(data, one_epoch, folder, "--methods", "fpi,nsa_continuous", "--seeds", "1")
    assert result.exit_code == 0, result.output
    return result


def test_a_result_holds_everything(finished: Path) -> None:
    values = json.loads(job_file(finished, "fpi").read_text())
    for protocol in ("paper", "whole_image"):
        assert 0 <= values["metrics"][protocol]["image_auroc"] <= 1
    assert (values["seed"], values["epochs"], values["preset_epochs"]) == (0, 1, 320)
    assert values["shortened"]
    assert values["settings"]["synthesis"]["method"] == "fpi"
    assert values["settings"]["training"]["batch_size"] == 4
    assert not {"recipe", "light"} & set(values["settings"])  # as in results of earlier versions
    assert values["hardware"]["threads"] == 1
    assert values["times"]["training_seconds"] > 0
    # The harness itself: curves, pictures, file.
    assert values["times"]["harness_seconds"] < 2
    for name in ("image_roc", "pixel_roc", "pro"):
        curve = values["curves"][name]
        assert len(curve) == 81
        assert curve == sorted(curve)
        assert curve[-1] == 1
    assert {case["kind"] for case in values["cases"]} == {"best", "worst"}
    assert all((finished / "jobs" / case["image"]).is_file() for case in values["cases"])
    assert not (finished / ".lock").exists()


def test_the_report_is_written(finished: Path) -> None:
    text = (finished / "tables.md").read_text()
    assert "1 seed, shortened: 1 of 320 epochs" in text
    assert "Table 8" in text
    for name in ("tables.csv", "tables.tex", "index.html"):
        assert "disc" in (finished / name).read_text()


def test_finished_jobs_are_skipped(
    folder: Path, data: Path, one_epoch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("a finished job ran again")

    monkeypatch.setattr("nsa.reproduce.runner.run_job", fail)
    assert "All jobs are finished" in again(data, one_epoch, folder).stderr


def test_a_damaged_result_runs_again(folder: Path, data: Path, one_epoch: Path) -> None:
    """Its training was complete and is not damaged, so it is only evaluated again."""
    path, other = job_file(folder, "fpi"), job_file(folder, "nsa_continuous")
    before, untouched = json.loads(path.read_text()), other.stat().st_mtime_ns
    path.write_text(path.read_text()[:400])
    result = again(data, one_epoch, folder)
    assert f"{path} is not valid JSON" in result.stderr
    assert "is complete; evaluating" in result.stderr
    after = json.loads(path.read_text())
    assert after["metrics"] == before["metrics"]
    assert after["curves"] == before["curves"]
    assert other.stat().st_mtime_ns == untouched


class Stopping(StopRequest):
    """A signal that has come before the first step."""

    def __init__(self) -> None:
        super().__init__()
        self.made = True


def test_an_interrupted_job_continues(
    folder: Path, data: Path, one_epoch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = job_file(folder, "fpi")
    before = json.loads(path.read_text())
    run = folder / "runs" / path.stem
    weights = load_file(run / "model.safetensors")
    path.unlink()
    shutil.rmtree(run)
    with monkeypatch.context() as patch:
        patch.setattr("nsa.detectors.network.session.StopRequest", Stopping)
        stopped = reproduce(data, one_epoch, folder, "--methods", "fpi", "--seeds", "1")
    assert stopped.exit_code == 130, stopped.output
    assert "the same command continues" in stopped.stderr
    assert (run / "checkpoint.safetensors").is_file()
    assert not path.exists()
    assert f"Continuing {path.stem}" in again(data, one_epoch, folder).stderr
    assert json.loads(path.read_text())["metrics"] == before["metrics"]
    for name, tensor in load_file(run / "model.safetensors").items():
        assert torch.equal(tensor, weights[name]), name


def test_a_damaged_checkpoint_starts_again(folder: Path, data: Path, one_epoch: Path) -> None:
    path = job_file(folder, "fpi")
    before = json.loads(path.read_text())
    run = folder / "runs" / path.stem
    path.unlink()
    (run / "model.safetensors").unlink()
    (run / "checkpoint.safetensors").write_bytes(b"damaged")
    assert "cannot be continued and starts again" in again(data, one_epoch, folder).stderr
    assert json.loads(path.read_text())["metrics"] == before["metrics"]


def test_workers_share_the_jobs(
    data: Path, one_epoch: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes: every job runs once, and the tables have all of them."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    output = tmp_path / "out"
    done = nsa(
        "reproduce", "--data-root", data, "--categories", "disc", "--config", one_epoch,
        "--output", output, "--table", "1", "--methods", "fpi,pii", "--seeds", "3,",
        "--jobs-per-device", 2,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    logs = [path.read_text() for path in sorted((output / "logs").iterdir())]
    assert len(logs) == 2
    names = [path.stem for path in (output / "jobs").glob("*.json")]
    assert len(names) == 2
    for name in names:
        assert sum(log.count(f"Finished {name}") for log in logs) == 1, name
        assert f"{name} is finished; " in done.stderr
    assert all("seed3" in name for name in names)
    text = (output / "tables.md").read_text()
    assert "FPI" in text
    assert "PII" in text


def test_a_folder_in_use_is_named(folder: Path, data: Path, one_epoch: Path) -> None:
    with FolderLock(folder):
        message = sentence(reproduce(data, one_epoch, folder, "--methods", "pii", "--seeds", "1"))
    assert f"Another run is using the folder {folder}" in message


def test_torchrun_is_refused(
    folder: Path, data: Path, one_epoch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    message = sentence(reproduce(data, one_epoch, folder, "--methods", "pii", "--seeds", "1"))
    assert "start it without torchrun (WORLD_SIZE is 2 in the environment)" in message


def test_the_live_table_shows_what_is_finished(finished: Path, data: Path, one_epoch: Path) -> None:
    request = ReproduceRequest(
        data_root=data, output=finished, categories=("disc",), seeds=(0, 1),
        methods=("fpi", "pii"), config=one_epoch,
    )  # fmt: skip
    jobs = plan_jobs(request)
    assert pickle.loads(pickle.dumps(jobs)) == jobs  # as they get to workers
    states = {job.name: WAITS for job in jobs} | {jobs[0].name: FINISHED, jobs[1].name: RUNS}
    (finished / "logs" / f"{jobs[1].name}.log").write_text("epoch 2/9, loss 0.41\nA warning.\n")
    text = io.StringIO()
    Console(file=text, width=120).print(LiveTable(finished, jobs).draw(states))
    assert "1 of 4 jobs finished" in text.getvalue()
    assert re.search(r"disc .* \d+\.\d 1/2 .* 0/2", text.getvalue())
    assert text.getvalue().splitlines()[-1].strip() == f"{jobs[1].name}: epoch 2/9, loss 0.41"


def test_a_job_that_fails_does_not_stop_the_others(
    folder: Path, data: Path, one_epoch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = job_file(folder, "nsa_continuous")
    content = other.read_text()
    for path in (job_file(folder, "fpi"), other, folder / "tables.md"):
        path.unlink()

    def fail_once(job: Any, _request: Any) -> None:
        if job.system.name == "fpi":
            raise InputError("no luck.")
        other.write_text(content)

    monkeypatch.setattr("nsa.reproduce.runner.run_job", fail_once)
    result = reproduce(
        data, one_epoch, folder, "--methods", "fpi,nsa_continuous", "--seeds", "1"
    )  # fmt: skip
    message = sentence(result)
    assert "1 could not be finished, the first is disc-fpi" in message
    assert message.endswith("no luck.")
    assert "NSA (continuous)" in (folder / "tables.md").read_text()


def test_mixed_configurations_are_refused(folder: Path, data: Path, one_epoch: Path) -> None:
    result = reproduce(data, one_epoch, folder, "--methods", "pii", "--epochs", 3, "--seeds", "1")
    message = sentence(result)
    assert "epochs: 1 there, 3 here" in message
    assert "another --output" in message


def test_another_version_is_refused(folder: Path, data: Path, one_epoch: Path) -> None:
    path = job_file(folder, "fpi")
    path.write_text(json.dumps({**json.loads(path.read_text()), "nsa_version": "0.0.1"}))
    message = sentence(reproduce(data, one_epoch, folder, "--methods", "fpi", "--seeds", "1"))
    assert "was written by nsa '0.0.1'" in message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--methods", "nsa_logistc"], "did you mean 'nsa_logistic'?"),
        (["--categories", "dics"], "did you mean 'disc'?"),
        (["--table", "4"], "--table must be among 1, 2, 3, 7, 8 or all, got '4'"),
        (["--seeds", "many"], "--seeds must be a number of seeds or a list"),
        (["--seeds", "0"], "--seeds must be 1 to 1000"),
        (["--seeds", "2,1,02"], "seed 2 is named twice"),
        (["--epochs", "0"], "epochs must be a number from 1"),
        (["--device", "gpu"], "device must be 'auto', 'cpu' or 'cuda'"),
    ],
)
def test_bad_options(
    arguments: list[str], message: str, data: Path, one_epoch: Path, tmp_path: Path
) -> None:
    assert message in sentence(reproduce(data, one_epoch, tmp_path / "o", *arguments))
    assert not (tmp_path / "o").exists()


def test_settings_that_a_job_owns(data: Path, tmp_path: Path) -> None:
    config = write_config(tmp_path / "o.yaml", training={"seed": 3})
    assert "sets 'seed', which nsa reproduce" in sentence(reproduce(data, config, tmp_path / "o"))


def test_a_data_root_without_the_papers_categories(data: Path, tmp_path: Path) -> None:
    result = nsa("reproduce", "--data-root", data, "--output", tmp_path / "o")
    assert "it has disc: name some with --categories" in sentence(result)
