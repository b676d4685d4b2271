"""Several trainings by one command: ``nsa train`` with several categories, seeds, or both."""

import csv
import io
import os
import re
import shutil
import signal
import statistics
import sys
import threading
import time
from pathlib import Path

import pytest
import torch
import yaml
from rich.console import Console
from safetensors.torch import load_file
from tiny import nsa, picture, sentence, write, write_config, write_product

from nsa.errors import InputError
from nsa.folder import Metrics
from nsa.images import list_categories
from nsa.jobs.execute import FAILED, FINISHED, RUNS
from nsa.jobs.inline import InlineExecutor
from nsa.runs.several.job import Training
from nsa.runs.several.results import StateTable, report
from nsa.runs.several.standing import state_of
from nsa.runs.several.trainings import Trainings
from nsa.settings.options import TrainRequest
from nsa.system.places import as_path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three products; the training images of ``ring`` are damaged."""
    root = write_product(tmp_path / "products", train=4, good=2, defective=2)
    for name in ("plate", "ring"):
        shutil.copytree(root / "disc", root / name)
    (root / "ring" / "train" / "good" / "2.png").write_bytes(b"no image")
    return root


def rows(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / "summary.csv").open() as file:
        return {row["category"]: row for row in csv.DictReader(file)}


def test_one_that_fails_stops_no_other_and_is_tried_again(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, folder = write_config(tmp_path / "o.yaml", epochs=1), tmp_path / "out"
    result = nsa(
        "train", "--data-root", data, "--category", "all", "--config", config, "--output", folder,
    )  # fmt: skip
    message = sentence(result)
    assert message.startswith("Error: 1 of 3 trainings failed; mend the cause, and --resume")
    assert "ring: " in message
    assert "2.png cannot be read" in message
    assert message.endswith(f"(all of it: {folder / 'ring.log'}).")
    assert re.search(r"ring +│ +failed", result.stdout)
    assert "disc" in result.stdout
    assert "mean" in result.stdout
    found = rows(folder)
    assert list(found) == ["disc", "plate", "ring"]
    assert float(found["disc"]["image_auroc"]) >= 0
    assert found["disc"]["image_auroc"] == found["plate"]["image_auroc"]  # by the same images
    assert found["ring"]["image_auroc"] == ""
    assert "2.png cannot be read" in found["ring"]["failure"]
    settings = yaml.safe_load((folder / "plate" / "config.yaml").read_text())
    assert (settings["category"], settings["training"]["epochs"]) == ("plate", 1)

    shown = io.StringIO()
    trainings = [Training(folder, name, None, TrainRequest()) for name in found]
    states = {"disc": FINISHED, "plate": FINISHED, "ring": RUNS}
    Console(file=shown, width=100).print(StateTable(trainings).draw(states))
    assert "2 of 3 trainings finished" in shown.getvalue()
    assert "plate" in shown.getvalue()
    assert "prepares" in shown.getvalue()

    weights = (folder / "disc" / "model.safetensors").stat().st_mtime_ns
    write(data / "ring" / "train" / "good" / "2.png", picture(2)[0])
    # In this process, to the result that a worker has.
    monkeypatch.setattr("nsa.jobs.choose.LocalExecutor", lambda *_: InlineExecutor())
    again = nsa("train", "--resume", folder)
    assert again.exit_code == 0, again.output
    assert (folder / "disc" / "model.safetensors").stat().st_mtime_ns == weights
    assert rows(folder)["ring"]["image_auroc"] == found["disc"]["image_auroc"]
    assert "cannot change" in sentence(nsa("train", "--resume", folder, "--epochs", 3))
    assert "is not empty" in sentence(
        nsa("train", "--data-root", data, "--category", "disc,ring", "--output", folder)
    )
    (folder / "categories.yaml").write_text("names: [disc]\n")
    assert "categories.yaml is damaged" in sentence(nsa("train", "--resume", folder))


@pytest.mark.skipif(sys.platform == "win32", reason="no POSIX signals")
def test_ctrl_c_saves_all(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config, folder = write_config(tmp_path / "o.yaml", epochs=100_000), tmp_path / "out"
    logs = [folder / "disc.log", folder / "plate.log"]
    begun = []

    def interrupt() -> None:
        for _ in range(1200):
            if all(log.is_file() and "Training '" in log.read_text() for log in logs):
                begun.append(True)
                os.kill(os.getpid(), signal.SIGINT)
                return
            time.sleep(0.1)

    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    waiter = threading.Thread(target=interrupt)
    waiter.start()
    try:
        result = nsa(
            "train", "--data-root", data, "--category", "disc,plate", "--config", config,
            "--output", folder, "--jobs-per-device", 2,
        )  # fmt: skip
    finally:
        waiter.join()
    assert begun
    assert result.exit_code == 130, result.output
    assert "Stopping; every job saves first" in result.stderr
    said = result.stderr.splitlines()[-1]
    assert said.endswith(f"continue with: nsa train --resume {folder}")
    for name in ("disc", "plate"):
        assert (folder / name / "checkpoint.safetensors").is_file()
        assert (folder / f"{name}.log").read_text().endswith(f"nsa train --resume {folder}\n")


def test_bad_requests(data: Path, tmp_path: Path) -> None:
    common = ("train", "--data-root", data, "--output", tmp_path / "out", "--category")
    assert "did you mean 'plate'?" in sentence(nsa(*common, "disc,plat"))
    assert "device must be" in sentence(nsa(*common, "all", "--device", "gpu"))
    assert "--jobs-per-device is for several" in sentence(
        nsa(*common, "disc", "--jobs-per-device", 2)
    )
    (tmp_path / "empty").mkdir()
    assert "holds no category" in sentence(
        nsa("train", "--data-root", tmp_path / "empty", "--category", "all")
    )
    seeds = (*common, "disc", "--seeds")
    assert "leave out --seed" in sentence(nsa(*seeds, 2, "--seed", 3))
    assert "leave out --seed" in sentence(
        nsa(*seeds, 2, "--config", write_config(tmp_path / "s.yaml", training={"seed": 3}))
    )
    assert "--seeds must be a number" in sentence(nsa(*seeds, "many"))
    assert "leave out one of the two" in sentence(
        nsa("train", "--resume-from", tmp_path, "--seeds", 2)
    )
    assert "seed 1 is named twice" in sentence(nsa(*seeds, "1,0,1"))
    assert "--profile measures one" in sentence(nsa(*seeds, 2, "--profile"))
    assert "--cluster is for several trainings" in sentence(
        nsa(*common, "disc", "--cluster", "auto")
    )
    assert not (tmp_path / "out").exists()


def test_categories_of_a_root(data: Path) -> None:
    assert list_categories(data) == ["disc", "plate", "ring"]
    assert list_categories(data / "ring") == ["ring"]


def test_seeds(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is what ``nsa train --seed`` makes; the summary has their mean and deviation."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    config, folder = write_config(tmp_path / "o.yaml", epochs=1), tmp_path / "out"
    common = ("train", "--data-root", data, "--config", config, "--threads", 1)
    result = nsa(
        *common, "--category", "disc", "--seeds", "7,1", "--output", folder
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "±" in result.stdout
    names = ["disc-seed7", "disc-seed1"]
    for name in names:
        assert f"{name} is finished; " in result.stderr
    alone = nsa(*common, "--category", "disc", "--seed", 7, "--output", tmp_path / "alone")
    assert alone.exit_code == 0, alone.output
    weights = [
        load_file(run / "model.safetensors") for run in (tmp_path / "alone", folder / names[0])
    ]
    assert all(torch.equal(tensor, weights[1][name]) for name, tensor in weights[0].items())
    with (folder / "summary.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [line["seed"] for line in lines] == ["7", "1", "mean", "standard deviation"]
    values = [float(line["image_auroc"]) for line in lines]
    assert values[2:] == pytest.approx([statistics.mean(values[:2]), statistics.stdev(values[:2])])

    before = {name: (folder / name / "model.safetensors").stat().st_mtime_ns for name in names}
    (folder / names[1] / "metrics.json").unlink()
    assert "--seeds cannot change" in sentence(nsa("train", "--resume", folder, "--seeds", 2))
    monkeypatch.setattr("nsa.jobs.choose.LocalExecutor", lambda *_: InlineExecutor())
    again = nsa("train", "--resume", folder)
    assert again.exit_code == 0, again.output
    assert (folder / names[1] / "metrics.json").is_file()
    third = nsa("train", "--resume", folder)
    assert third.exit_code == 0, third.output
    assert f"All 2 trainings are finished; results in {folder}." in third.stderr
    assert third.stdout == again.stdout
    for name in names:
        assert (folder / name / "model.safetensors").stat().st_mtime_ns == before[name]


def test_the_same_command_continues_and_another_is_refused(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nsa.jobs.choose.LocalExecutor", lambda *_: InlineExecutor())
    config, folder = write_config(tmp_path / "o.yaml", epochs=1), tmp_path / "out"
    rest = ("--config", config, "--output", folder)
    same = ("train", "--data-root", data, "--category", "disc,plate", *rest)
    first = nsa(*same)
    assert first.exit_code == 0, first.output
    assert "has begun" not in first.stderr
    begun = f"What is asked for has begun in {folder}; continuing."

    # As if its driver had been killed before the second was judged.
    weights = {name: folder / name / "model.safetensors" for name in ("disc", "plate")}
    before = {name: path.stat().st_mtime_ns for name, path in weights.items()}
    (folder / "plate" / "metrics.json").unlink()
    (folder / "summary.csv").unlink()
    again = nsa(*same, "--jobs-per-device", 2, "--device", "auto")
    assert again.exit_code == 0, again.output
    assert again.stderr.count(begun) == 1
    assert "1 of 2 trainings, into" in again.stderr
    assert list(rows(folder)) == ["disc", "plate"]
    assert {name: path.stat().st_mtime_ns for name, path in weights.items()} == before
    assert yaml.safe_load((folder / "categories.yaml").read_text())["options"]["device"] == "auto"

    monkeypatch.setattr("nsa.jobs.choose.LocalExecutor", None)  # nothing is left to do
    untouched = {path: path.stat().st_mtime_ns for path in folder.glob("*/*")}
    third = nsa(*same)
    assert third.exit_code == 0, third.output
    assert begun in third.stderr
    assert f"All 2 trainings are finished; results in {folder}." in third.stderr
    assert third.stdout == again.stdout
    assert {path: path.stat().st_mtime_ns for path in folder.glob("*/*")} == untouched

    shutil.copytree(data, tmp_path / "others")
    for more, differing in (
        (("--data-root", data, "--category", "disc,ring"), "categories"),
        (("--data-root", data, "--category", "disc,plate", "--seeds", 2), "seeds"),
        (("--data-root", data, "--category", "disc,plate", "--epochs", 3), "epochs"),
        (("--data-root", data, "--category", "disc,plate", "--threads", 1), "threads"),
        (("--data-root", tmp_path / "others", "--category", "disc,plate"), "data_root"),
    ):
        assert sentence(nsa("train", *more, *rest)) == (
            f"Error: The folder {folder} is not empty, and its trainings differ in {differing}; "
            f"choose another --output, or --resume {folder} to continue what is in it."
        )
    alone = nsa("train", "--data-root", data, "--category", "disc", *rest)
    assert "is not empty" in sentence(alone)


def test_seeds_of_a_plain_folder(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nsa.jobs.choose.LocalExecutor", lambda *_: InlineExecutor())
    config, folder = write_config(tmp_path / "o.yaml", epochs=1), tmp_path / "out"
    plain = data / "disc" / "train" / "good"
    result = nsa(
        "train", "--normal-dir", plain, "--config", config, "--seeds", 2, "--output", folder
    )
    assert result.exit_code == 0, result.output
    for seed in (0, 1):
        settings = yaml.safe_load((folder / f"disc-seed{seed}" / "config.yaml").read_text())
        assert (settings["category"], settings["training"]["seed"]) == ("disc", seed)


def test_reasons_name_urls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NSA_CACHE", str(tmp_path / "cache"))
    [training] = [Training(tmp_path, "disc", None, TrainRequest())]
    reason = f"{as_path('s3://bucket/disc/1.png')} cannot be read: it is damaged."
    with pytest.raises(InputError, match=r"1 of 1 training failed.*disc: s3://bucket/disc/1.png"):
        report(tmp_path, [training], {"disc": reason})
    expected = "s3://bucket/disc/1.png cannot be read: it is damaged."
    assert rows(tmp_path)["disc"]["failure"] == expected


def test_a_single_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("nsa.runs.several.trainings._log.propagate", True)
    caplog.set_level("INFO", "nsa")
    monkeypatch.setattr(
        Training, "metrics", lambda _: {**dict.fromkeys(Metrics.names()), "times": {}}
    )
    Trainings(tmp_path, ["disc"], {"device": "cpu"}).train()
    assert f"The training is finished; results in {tmp_path}." in caplog.messages


def test_a_terminal_with_few_lines_shows_what_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "nsa.runs.several.results.console", Console(file=io.StringIO(), width=80, height=20)
    )
    trainings = [Training(tmp_path, "disc", seed, TrainRequest()) for seed in range(50)]
    states = {one.name: FINISHED for one in trainings}
    states |= {"disc-seed7": RUNS, "disc-seed9": FAILED}
    shown = io.StringIO()
    Console(file=shown, width=80).print(StateTable(trainings).draw(states))
    assert "48 of 50 trainings finished" in shown.getvalue()
    names = re.findall(r"disc-seed\d+", shown.getvalue())
    assert names == ["disc-seed7", "disc-seed9"]


@pytest.mark.parametrize(
    ("lines", "state"),
    [
        ("", "prepares"),
        ("Continuing disc.\nTraining 'disc' on 20 images.\n", "prepares"),
        ("epoch 1/3, loss 0.7\nepoch 2/3, loss 0.6, 9.1 images/s\nA warning.\n", "epoch 2/3, .*"),
        ("epoch 3/3, loss 0.7\nTrained in 3 s, 0.1 s of it waiting.\n", "evaluates"),
        ("1 of 3: nsa.\n", "1 of 3: nsa"),
        ("epoch 1/3, loss 0.7\nStopped in epoch 2 of 3 and saved; x\nNo state.\n", "prepares"),
        ("epoch 1/3, loss 0.7\nContinuing disc.\n", "prepares"),
        ("The training in x/disc is complete; evaluating.\n", "evaluates"),
    ],
)
def test_what_a_training_is_at(lines: str, state: str, tmp_path: Path) -> None:
    log = tmp_path / "disc.log"
    log.write_text(lines)
    assert re.fullmatch(state, state_of(log))
    assert state_of(tmp_path / "none.log") == "prepares"


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("names: [disc]\noptions: null\n", "is damaged"),
        ("names: 3\noptions: {}\n", "is damaged"),
        ("names: [disc\n", "is not valid YAML in line 2: [^/]*$"),
        ("names: [disc]\nother: {}\n", "is damaged"),
        ("names: [disc]\noptions: {zz: 1}\n", "is damaged: .*unknown key 'zz'"),
    ],
)
def test_a_damaged_folder_is_named(written: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "categories.yaml").write_text(written)
    found = sentence(nsa("train", "--resume", tmp_path))
    assert re.search(rf"categories\.yaml {reason}", found)
