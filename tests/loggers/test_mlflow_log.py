"""Runs of MLflow, read back by its own client."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tiny import nsa

mlflow = pytest.importorskip("mlflow", reason="pip install 'nsa[mlflow]'")
# MLflow's own queries, by what SQLAlchemy 2.1 calls outdated.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Any]:
    """A client of an MLflow store of its own, which the environment names."""
    uri = f"sqlite:///{tmp_path / 'store.db'}"
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("MLFLOW_TRACKING_URI", uri)
        patched.setenv("MLFLOW_EXPERIMENT_NAME", "discs")
        patched.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        patched.setenv("DO_NOT_TRACK", "true")
        patched.chdir(tmp_path)  # where it keeps files
        yield mlflow.tracking.MlflowClient(uri)


def test_a_training_that_was_interrupted_is_one_run(
    store: Any,
    data: Path,
    one_epoch: Path,
    tmp_path: Path,
    stop_after: Callable[[int], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = tmp_path / "disc"
    train = ("train", "--data-root", data, "--config", one_epoch, "--epochs", 3)
    stop_after(4)
    interrupted = nsa(*train, "--output", folder, "--logger", "mlflow")
    assert interrupted.exit_code == 130, interrupted.output
    monkeypatch.undo()
    experiment = store.get_experiment_by_name("discs").experiment_id
    [run] = store.search_runs([experiment])
    assert run.info.status == "KILLED"
    resumed = nsa("train", "--resume", folder, "--epochs", 4)
    assert resumed.exit_code == 0, resumed.output
    assert "Logging to" not in interrupted.stderr + resumed.stderr
    [run] = store.search_runs([experiment])
    assert (run.info.status, run.info.run_name) == ("FINISHED", "disc")
    assert json.loads((folder / "mlflow.json").read_text()) == {"run_id": run.info.run_id}
    assert run.data.params["training.epochs"] == "3"
    assert run.data.tags["training.epochs"] == "4"
    assert run.data.tags["run_folder"] == str(folder)
    assert run.data.params["images.size"] == "[72, 72]"
    losses = store.get_metric_history(run.info.run_id, "training/epoch_loss")
    lines = (folder / "log.csv").read_text().splitlines()[1:]
    assert [metric.value for metric in losses] == [float(line.split(",")[1]) for line in lines]
    assert [metric.step for metric in losses] == [3, 6, 9, 12]
    metrics = json.loads((folder / "metrics.json").read_text())
    assert run.data.metrics["test/pixel_auroc"] == metrics["pixel_auroc"]
    pictures = {file.path for file in store.list_artifacts(run.info.run_id)}
    assert pictures == {"examples.png", "loss.png"}


def test_a_run_that_its_store_has_lost_begins_anew(
    store: Any, data: Path, one_epoch: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "disc"
    train = ("train", "--data-root", data, "--config", one_epoch, "--logger", "mlflow")
    assert nsa(*train, "--output", folder).exit_code == 0
    experiment = store.get_experiment_by_name("discs").experiment_id
    [first] = store.search_runs([experiment])
    store.delete_run(first.info.run_id)
    assert nsa("train", "--resume", folder).exit_code == 0
    (folder / "mlflow.json").write_text('{"run_id": "0123456789abcdef0123456789abcdef"}')
    assert nsa("train", "--resume", folder).exit_code == 0
    runs = store.search_runs([experiment])
    assert len({run.info.run_id for run in runs} - {first.info.run_id}) == 2
    # And one that is to be logged no longer.
    result = nsa("train", "--resume", folder, "--logger", "none")
    assert result.exit_code == 0
    assert len(store.search_runs([experiment])) == 2


def test_a_store_that_cannot_be_used_ends_no_training(
    store: Any, data: Path, one_epoch: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del store  # what it sets is undone
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:////proc/none/store.db")
    train = ("train", "--data-root", data, "--config", one_epoch, "--logger", "mlflow")
    result = nsa(*train, "--output", tmp_path / "disc")
    assert result.exit_code == 0, result.output
    assert result.stderr.count("Logging to mlflow ends here, the training goes on") == 1
    assert (tmp_path / "disc" / "metrics.json").is_file()
