"""Which files and folders the nodes of a cluster must see, for trainings and for the papers'."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from tiny import write_product

from nsa.detectors.registry import read_request
from nsa.errors import InputError
from nsa.reproduce import runner
from nsa.reproduce.gaussian.jobs import plan_jobs
from nsa.reproduce.request import ReproduceRequest
from nsa.runs.several import trainings
from nsa.runs.several.needed import needed_by
from nsa.runs.several.trainings import find


@pytest.fixture
def asked_for(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What an executor is asked to show its machines, which then is not there."""
    found: list[Any] = []

    def refuse(*_: object, data: list[Path], **__: object) -> None:
        found.extend(data)
        raise InputError("There is no such cluster.")

    for module in (trainings, runner):
        monkeypatch.setattr(module, "open_executor", refuse)
        monkeypatch.setattr(module, "needs_of_training", lambda *_: None)
    return found


def written(path: Path) -> Path:
    path.write_bytes(b"")
    return path


def test_all_that_trainings_read(tmp_path: Path, asked_for: list[Any]) -> None:
    root = write_product(tmp_path / "products", train=1)
    mask, weights = written(tmp_path / "mask.png"), written(tmp_path / "w.pt")
    given = {"data_root": root, "category": "disc,", "ignore": mask, "method": "gaussian"}
    for more in ({"weights": str(weights)}, {"gaussian": {"weights": str(weights)}}):
        request = read_request({**given, **more, "output": tmp_path / "out"})
        many = find(request, None)
        assert many is not None
        with pytest.raises(InputError, match="no such cluster"):
            many.train(cluster="auto")
        assert sorted(asked_for) == sorted([root, mask, weights])
        asked_for.clear()


def test_what_else_a_request_may_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NSA_CACHE", str(tmp_path / "cache"))
    folders = [tmp_path / "a", tmp_path / "b"]
    table, run = tmp_path / "verdicts.csv", tmp_path / "run"
    request = read_request(
        {"normal_dir": folders, "verdicts": table, "resume_from": run, "ignore": "s3://b/mask.png"}
    )
    assert set(needed_by(request)) == {*folders, table, run}
    assert request.ignore is not None
    request.ignore.parent.mkdir(parents=True)
    written(request.ignore)  # the copy
    assert set(needed_by(request)) == {*folders, table, run, request.ignore}
    for name in ("default", "random", "no.pt"):
        assert needed_by(read_request({"method": "nsa+gaussian", "weights": name})) == []


def test_all_that_jobs_of_a_paper_read(tmp_path: Path, asked_for: list[Any]) -> None:
    """Their weights may stand in a file of options, which the command alone reads."""
    root, weights = write_product(tmp_path / "products", train=1), tmp_path / "w.pt"
    torch.save({}, weights)
    config = tmp_path / "options.yaml"
    config.write_text(yaml.safe_dump({"device": "cpu", "gaussian": {"weights": str(weights)}}))
    request = ReproduceRequest(
        data_root=root, output=tmp_path / "out", paper="gaussian", tables=("VII",),
        categories=("disc",), seeds=(0,), network="resnet18", config=config,
    )  # fmt: skip
    jobs = plan_jobs(request)
    config.unlink()
    with pytest.raises(InputError, match="no such cluster"):
        runner.run_jobs(jobs, request, 1, "auto")
    assert asked_for == [root, weights]


def test_a_job_of_a_paper_does_without_the_file_of_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, config = write_product(tmp_path / "products", train=1), tmp_path / "options.yaml"
    config.write_text("device: cpu\n")
    request = ReproduceRequest(
        data_root=root, paper="gaussian", tables=("VII",), categories=("disc",), seeds=(0,),
        network="resnet18", weights="random", config=config,
    )  # fmt: skip
    [job] = plan_jobs(request)
    config.unlink()
    done: list[object] = []
    monkeypatch.setattr("nsa.reproduce.gaussian.jobs.run_job", lambda *given: done.extend(given))
    job.run(request)
    assert done == [job, request, torch.device("cpu")]
