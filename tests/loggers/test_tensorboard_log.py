"""Event files, read back by TensorBoard's own reader."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ranks import finish, start_ranks
from tiny import nsa

pytest.importorskip("tensorboard", reason="pip install 'nsa[tensorboard]'")


def read(run: Path) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run / "tensorboard"))
    events.Reload()
    return events


def events_of(run: Path) -> list[Any]:
    """All events of a run, as they were written."""
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    files = sorted((run / "tensorboard").iterdir())
    return [event for file in files for event in EventFileLoader(str(file)).Load()]


def test_a_training_that_was_interrupted_is_one_curve(
    data: Path,
    one_epoch: Path,
    tmp_path: Path,
    stop_after: Callable[[int], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = tmp_path / "disc"
    train = ("train", "--data-root", data, "--config", one_epoch, "--epochs", 3)
    stop_after(4)
    interrupted = nsa(*train, "--output", run, "--logger", "tensorboard")
    assert interrupted.exit_code == 130, interrupted.output
    monkeypatch.undo()
    resumed = nsa("train", "--resume", run)
    assert resumed.exit_code == 0, resumed.output
    assert "Logging to" not in interrupted.stderr + resumed.stderr
    events = read(run)
    tags = events.Tags()
    assert tags["images"] == ["examples", "loss"]
    losses = events.Scalars("training/epoch_loss")
    log = (run / "log.csv").read_text().splitlines()[1:]
    assert [event.value for event in losses] == [
        pytest.approx(float(line.split(",")[1]), rel=1e-5) for line in log
    ]
    steps = [event.step for event in events.Scalars("training/loss")]
    assert steps == sorted(set(steps))
    assert steps[-1] == losses[-1].step == 9  # 9 images in batches of 4, three epochs
    assert [event.step for event in events.Scalars("test/image_auroc")] == [9]
    [about] = events.Tensors("run/text_summary")[-1].tensor_proto.string_val
    assert str(run) in about.decode()
    kinds = [event.summary.value[0].tag for event in events_of(run) if event.HasField("summary")]
    assert "_hparams_/session_start_info" in kinds


@pytest.mark.thorough
def test_of_several_processes_the_leader_logs(data: Path, one_epoch: Path, tmp_path: Path) -> None:
    run = tmp_path / "disc"
    options = ("--config", one_epoch, "--output", run, "--logger", "tensorboard")
    ranks = start_ranks(2, "-m", "nsa.train", "--data-root", data, *options)
    said = finish(ranks)
    assert [rank.returncode for rank in ranks] == [0, 0], said
    assert len([*(run / "tensorboard").iterdir()]) == 1
    assert [event.step for event in read(run).Scalars("training/epoch_loss")] == [3]
