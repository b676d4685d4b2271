"""Run folders and results at URLs: sent when they are there, and used from any machine."""

from __future__ import annotations

import json
import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny import TABLES, nsa, picture, sentence, train_gaussian, write, write_config

from nsa import load
from nsa.errors import InputError
from nsa.system import mirror, sending
from nsa.system.places import as_path
from nsa.system.urls import read, remove, walk
from nsa.system.urls import write as write_url

pytest.importorskip("fsspec")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("NSA_CACHE", str(folder))
    return folder


@pytest.fixture
def store(tmp_path: Path) -> str:
    return f"memory://{tmp_path.name}-{random.random()}"


def run(*arguments: object) -> str:
    result = nsa(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout + result.stderr


def held(url: str) -> dict[str, bytes]:
    return {one.url.removeprefix(f"{url}/"): read(one.url) for one in walk(url)}


def files(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def put(folder: Path, url: str) -> str:
    for name, content in files(folder).items():
        write_url(f"{url}/{name}", content)
    return url


def test_a_training_into_a_url(s3: str, data: Path, one_epoch: Path, tmp_path: Path) -> None:
    url, local = f"{s3}/runs/disc", tmp_path / "local"
    options = ("--data-root", data, "--config", one_epoch, "--threads", 1)
    said = run("train", *options, "--output", f"{url}/")
    assert f"Results are in {url}\n" in said
    run("train", *options, "--output", local)
    there = held(url)
    assert set(there) == set(files(local))
    assert there["model.safetensors"] == (local / "model.safetensors").read_bytes()
    assert f"{url} is not empty" in sentence(nsa("train", *options, "--output", url))


@pytest.mark.thorough
def test_a_run_is_used_and_changed_from_another_machine(
    s3: str, gaussian_run: Path, more_data: Path, normals: Path, tmp_path: Path, cache: Path
) -> None:
    url, local = put(gaussian_run, f"{s3}/run"), tmp_path / "local"
    shutil.copytree(gaussian_run, local)
    for place in (url, local):
        run("calibrate", place, normals, "--overwrite")
    assert held(url)["calibration.csv"] == files(local)["calibration.csv"]
    shutil.rmtree(cache)
    new, results = tmp_path / "new", f"{s3}/judged"
    for number in range(2):
        write(new / f"{number}.png", picture(900 + number, defect=True)[0])
    said = run("predict", url, new, "--output", f"{results}/")
    assert f"2 images scored; results in {results}." in said
    run("predict", local, new, "--output", tmp_path / "judged")
    there = held(results)
    own = files(tmp_path / "judged")
    assert set(there) == {*TABLES, "0.png", "1.png"} == set(own)
    assert all(there[name] == own[name] for name in own if name != "review.html")
    assert "is not empty" in sentence(nsa("predict", url, new, "--output", results))
    shutil.rmtree(cache)
    run("predict", url, new / "1.png", "--output", results, "--overwrite", "--no-review")
    assert set(held(results)) == {*TABLES, "1.png"} - {"review.html"}  # as in a folder
    options = ("--data-root", more_data, "--no-review", "--fpr", 0.5)
    run("evaluate", url, *options)
    assert json.loads(held(url)["metrics.json"])["working_point"]["fpr"] == 0.5
    run("evaluate", url, *options, "--output", f"{s3}/metrics")
    assert {"metrics.json", "scores.csv"} <= set(held(f"{s3}/metrics"))
    assert type(load(url, "cpu")) is type(load(local, "cpu"))
    run("export", url, "--output", tmp_path / "x.onnx")


def test_a_training_that_is_interrupted_goes_on_elsewhere(
    store: str, data: Path, tmp_path: Path, cache: Path, stop_after: Callable[[int], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    url, config = f"{store}/run", write_config(tmp_path / "o.yaml")
    options = ("--data-root", data, "--config", config, "--threads", 1)
    stop_after(3)
    result = nsa("train", *options, "--output", url)
    assert result.exit_code == 130
    assert f"nsa train --resume {url}" in result.stderr
    assert "checkpoint.safetensors" in held(url)
    monkeypatch.undo()
    monkeypatch.setenv("NSA_CACHE", str(tmp_path / "other"))
    assert cache.exists()
    run("train", "--resume", url)
    run("train", *options, "--output", tmp_path / "whole")
    assert held(url)["model.safetensors"] == files(tmp_path / "whole")["model.safetensors"]
    assert set(held(url)) == set(files(tmp_path / "whole"))  # no checkpoint


def test_a_run_that_cannot_be_sent_is_kept(
    store: str, data: Path, small_gaussian: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, left = f"{store}/run", 4

    def failing(one: str, content: bytes) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise InputError("The store is gone.")
        write_url(one, content)

    with monkeypatch.context() as broken:
        broken.setattr(mirror, "write", failing)
        said = sentence(train_gaussian(data, small_gaussian, url))  # type: ignore[arg-type]
    folder = as_path(url)
    assert said == (
        f"Error: The store is gone. The results for {url} are in the copy {folder}; nsa train "
        f"--resume {url} sends them."
    )
    assert "config.yaml" not in held(url)  # so nobody takes it for a run
    before = (folder / "gaussian.safetensors").read_bytes()
    run("train", "--resume", url)
    assert held(url)["gaussian.safetensors"] == before
    assert set(held(url)) == set(files(folder))


def test_what_cannot_be_written_is_said_before_the_work(
    s3: str, store: str, data: Path, monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    said = sentence(nsa("train", "--data-root", data, "--output", f"{s3}-other/run"))
    there_is_none = f"Error: Cannot write {s3}-other/run: there is no such bucket; check its name."
    assert said == there_is_none
    source = put(data, f"{s3}/products")
    for output, expected in (
        (f"{s3}-other/run", there_is_none),
        (source, f"Error: The folder {source} is not empty; choose another --output."),
    ):
        for more in ((), ("--seeds", 2)):
            given = ("train", "--data-root", source, "--output", output, *more)
            assert sentence(nsa(*given)) == expected
        images = f"{source}/disc/test/good"
        assert sentence(nsa("predict", "nowhere", images, "--output", output)) == expected
    write_url(f"{s3}/tables/bulk.json", b"{}")
    for command in (("predict", "nowhere", images), ("evaluate", "nowhere")):
        for more in ((), ("--overwrite",)):
            assert sentence(nsa(*command, "--output", f"{s3}/tables", *more)) == (
                f"Error: The folder {s3}/tables holds results of nsa predict --format parquet, "
                "which continues them; choose another --output."
            )
    assert not cache.exists()  # nothing was fetched before

    def refusing(url: str) -> None:
        raise InputError(f"Access to {url} is refused.")

    monkeypatch.setattr(sending, "try_writing", refusing)
    said = sentence(nsa("train", "--data-root", data, "--output", f"{store}/run"))
    assert re.search("Access to .* is refused", said)
    assert not cache.exists()


def test_a_run_that_was_removed_there_may_be_trained_again(
    store: str, gaussian_run: Path, data: Path, small_gaussian: Path
) -> None:
    url = put(gaussian_run, f"{store}/run")
    load(url, "cpu")
    for name in held(url):
        remove(f"{url}/{name}")
    assert as_path(url).exists()
    result = train_gaussian(data, small_gaussian, url)  # type: ignore[arg-type]
    assert result.exit_code == 0, result.output
    assert "gaussian.safetensors" in held(url)
    assert "calibration.csv" not in held(url)


@pytest.mark.thorough
def test_several_categories(s3: str, data: Path, one_epoch: Path, cache: Path) -> None:
    url = f"{s3}/runs"
    command = (
        "train", "--data-root", data, "--category", "disc,", "--config", one_epoch, "--output", url,
    )  # fmt: skip
    run(*command)
    there = held(url)
    assert {"categories.yaml", "summary.csv", "disc.log", "disc/model.safetensors"} <= set(there)
    for again in (("train", "--resume", url), command):
        shutil.rmtree(cache)
        run(*again)
        assert held(url)["disc/model.safetensors"] == there["disc/model.safetensors"]
    assert f"{url} is not empty, and its trainings differ in epochs" in sentence(
        nsa(*command, "--epochs", 2)
    )
    alone = [*command[:4], "disc", *command[5:]]
    assert f"{url} is not empty" in sentence(nsa(*alone))


@pytest.mark.thorough
def test_a_run_to_combine_is_read_from_its_url(
    store: str, gaussian_run: Path, normals: Path, tmp_path: Path
) -> None:
    url, other = put(gaussian_run, f"{store}/run"), tmp_path / "other"
    shutil.copytree(gaussian_run, other)
    said = nsa("combine", url, other, "--normals", normals, "--output", tmp_path / "both")
    assert "they are one and the same detector" in sentence(said)  # so both were read
