"""Data at URLs: every command copies what it needs, and the run keeps the URL."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import yaml
from tiny import nsa, picture, rows, sentence, write, write_config, write_product

from nsa.images import list_categories, open_dataset
from nsa.system.places import as_path
from nsa.system.urls import remove
from nsa.system.urls import write as write_url

pytest.importorskip("s3fs")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("NSA_CACHE", str(folder))
    return folder


def upload(folder: Path, url: str) -> str:
    """Put a folder at a URL."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            write_url(f"{url}/{path.relative_to(folder).as_posix()}", path.read_bytes())
    return url


def files(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def same_weights(one: Path, other: Path) -> bool:
    name = "model.safetensors"
    return (one / name).read_bytes() == (other / name).read_bytes()


def run(*arguments: object) -> str:
    result = nsa(*arguments)
    assert result.exit_code == 0, result.output
    return result.stderr


def test_a_training_from_a_url_is_that_from_the_folder(
    s3: str, data: Path, one_epoch: Path, tmp_path: Path, cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    upload(data, f"{s3}/products")
    write_url(f"{s3}/products/other/train/good/1.png", b"not needed")
    write_url(f"{s3}/products/products.tar", b"not needed")
    output = tmp_path / "from_url"
    options = ("--category", "disc", "--config", one_epoch, "--threads", 1)
    run("train", "--data-root", f"{s3}/products/", *options, "--output", output)
    local = tmp_path / "from_folder"
    run("train", "--data-root", data, *options, "--output", local)
    assert same_weights(output, local)
    copied = as_path(f"{s3}/products")
    assert files(copied / "disc") == files(data / "disc")
    assert set(files(copied)) == {f"disc/{name}" for name in files(data / "disc")}
    assert yaml.safe_load((output / "config.yaml").read_text())["data_root"] == f"{s3}/products"
    paths = [row["path"] for row in rows(output / "scores.csv")]
    assert paths[0].startswith(f"{s3}/products/disc/test/")

    # On another machine, which has no copies.
    shutil.rmtree(cache)
    monkeypatch.setenv("NSA_CACHE", str(tmp_path / "other"))
    run("evaluate", output)
    assert [row["path"] for row in rows(output / "scores.csv")] == paths
    assert len(files(tmp_path / "other")) == len(files(data / "disc"))


@pytest.mark.thorough
def test_an_interrupted_training_goes_on_elsewhere(
    s3: str, data: Path, tmp_path: Path, stop_after: Callable[[int], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    upload(data, f"{s3}/products")
    config, output = write_config(tmp_path / "o.yaml"), tmp_path / "run"
    options = ("--category", "disc", "--config", config, "--threads", 1)
    stop_after(3)
    result = nsa("train", "--data-root", f"{s3}/products", *options, "--output", output)
    assert result.exit_code == 130, result.output
    monkeypatch.undo()
    monkeypatch.setenv("NSA_CACHE", str(tmp_path / "other"))
    run("train", "--resume", output)
    run("train", "--data-root", data, *options, "--output", tmp_path / "whole")
    assert same_weights(output, tmp_path / "whole")


def test_a_plain_folder_a_mask_and_images_to_predict(
    s3: str, one_epoch: Path, tmp_path: Path, normals: Path
) -> None:
    upload(normals, f"{s3}/good")
    write_url(f"{s3}/good/below/1.png", b"not needed")
    mask = picture(0)[1]
    mask[:20] = 255
    write(tmp_path / "mask.png", mask)
    write_url(f"{s3}/mask.png", (tmp_path / "mask.png").read_bytes())
    output = tmp_path / "run"
    write_url(f"{s3}/options.yaml", one_epoch.read_bytes())
    run(
        "train", "--normal-dir", f"{s3}/good", "--ignore", f"{s3}/mask.png", "--output", output,
        "--config", f"{s3}/options.yaml", "--threads", 1,
    )  # fmt: skip
    config = yaml.safe_load((output / "config.yaml").read_text())
    assert (config["normal_dir"], config["ignore"]) == ([f"{s3}/good"], f"{s3}/mask.png")
    for number, name in enumerate(("new/a.png", "b.png")):
        write(tmp_path / "one.png", picture(700 + number)[0])
        write_url(f"{s3}/{name}", (tmp_path / "one.png").read_bytes())
    judged = tmp_path / "judged"
    run("predict", output, f"{s3}/new", f"{s3}/b.png", normals / "2.png", "--output", judged)
    assert [row["path"] for row in rows(judged / "scores.csv")] == [
        f"{s3}/new/a.png", f"{s3}/b.png", str(normals / "2.png"),
    ]  # fmt: skip
    run("calibrate", output, f"{s3}/new", "--overwrite")
    run("calibrate", output, f"{s3}/new", f"{s3}/b.png")  # it knows the first of them
    assert f"{s3}/new/a.png" in (output / "calibration.csv").read_text()
    said = sentence(nsa("calibrate", output, f"{s3}/b.png"))
    assert "1 are not among these" in said
    write_url(broken := f"{s3}/broken/1.png", b"no image")
    result = nsa("predict", output, broken, f"{s3}/b.png", "--output", tmp_path / "other")
    assert broken in sentence(result)
    [row] = rows(tmp_path / "other" / "unreadable.csv")
    assert row["path"] == broken
    assert row["reason"].startswith(f"{broken} cannot be read")
    verdicts = tmp_path / "verdicts.csv"
    verdicts.write_text(f"path,verdict\n{s3}/b.png,good\n")
    run("calibrate", output, "--verdicts", verdicts)


@pytest.mark.thorough
def test_several_categories(s3: str, data: Path, tmp_path: Path, one_epoch: Path) -> None:
    upload(data, f"{s3}/products")
    output = tmp_path / "all"
    run(
        "train", "--data-root", f"{s3}/products", "--category", "disc,", "--config", one_epoch,
        "--output", output, "--threads", 1,
    )  # fmt: skip
    for name in ("categories.yaml", "disc/config.yaml"):
        assert f"data_root: {s3}/products\n" in (output / name).read_text()


@pytest.mark.parametrize("layout", ["kolektor", "visa", "realiad", "chest"])
def test_layouts_at_urls(layout: str, tmp_path: Path) -> None:
    image, mask = picture(0, defect=True)
    root, name = tmp_path / "root", "disc"
    if layout == "kolektor":
        for number in range(2):
            write(root / name / "train" / f"{number}.png", image)
            write(root / name / "train" / f"{number}_GT.png", 0 * mask)
    elif layout == "visa":
        write(root / name / "Data" / "Images" / "Normal" / "0.JPG", image)
        row = f"{name},train,normal,{name}/Data/Images/Normal/0.JPG,"
        (root / "split_csv").mkdir()
        (root / "split_csv" / "1cls.csv").write_text(f"object,split,label,image,mask\n{row}\n")
    elif layout == "realiad":
        write(root / "realiad_1024" / name / "OK" / "0.jpg", image)
        write(root / "realiad_1024" / "other" / "OK" / "0.jpg", image)
        entry = '{"category": "disc", "anomaly_class": "OK", "image_path": "OK/0.jpg"}'
        (root / "realiad_jsons").mkdir()
        (root / "realiad_jsons" / f"{name}.json").write_text(
            f'{{"meta": {{"normal_class": "OK"}}, "train": [{entry}], "test": []}}'
        )
    else:
        write(root / "images_001" / "images" / "0.png", image)
        (root / name).mkdir()
        for part, text in (("normal_train", "0.png"), ("normal_test", ""), ("abnormal_test", "")):
            (root / name / f"{part}.txt").write_text(text)
    url = upload(root, f"memory://{tmp_path.name}-{random.random()}")
    own = open_dataset(root, name)
    assert list_categories(url) == list_categories(root)
    copy = open_dataset(url, name)
    assert [one.path.relative_to(as_path(url)) for one in copy.train] == [
        one.path.relative_to(root) for one in own.train
    ]
    assert [one.path.read_bytes() for one in copy.train] == [
        one.path.read_bytes() for one in own.train
    ]
    assert not (as_path(url) / "realiad_1024" / "other" / "OK" / "0.jpg").exists()


def test_a_change_there_is_seen(s3: str, tmp_path: Path) -> None:
    root = write_product(tmp_path / "data", train=3, good=1, defective=1)
    upload(root, f"{s3}/products")
    assert len(open_dataset(f"{s3}/products", "disc").train) == 3
    remove(f"{s3}/products/disc/train/good/1.png")
    other = root / "disc" / "train" / "good" / "0.png"
    write_url(f"{s3}/products/disc/train/good/2.png", other.read_bytes())
    train = open_dataset(f"{s3}/products", "disc").train
    assert [one.path.read_bytes() for one in train] == [other.read_bytes()] * 2


@pytest.mark.parametrize(
    "arguments",
    [
        ("FOLDER", "watch", "RUN", "URL", "--output", "o"),
        ("--output", "watch", "RUN", "f", "--output", "URL"),
        ("--output", "export", "RUN", "--output", "URL"),
        ("--output", "reproduce", "--data-root", "f", "--output", "URL"),
        ("--output", "synthesize", "--output", "URL"),
        ("--output", "combine", "RUN", "RUN", "--output", "URL"),
        ("--token-file", "serve", "RUN", "--token-file=URL"),
    ],
)
def test_what_takes_no_url(
    arguments: Sequence[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    called, *given = arguments
    said = sentence(nsa(*(one.replace("URL", "s3://bucket/x") for one in given)))
    assert said == f"Error: {called} takes no URL; name a file or folder of this machine."
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("url", ["s3://", "s3://b/../x", "foo://b/x", f"s3://b/{'x' * 256}/y"])
def test_urls_that_name_nothing(url: str, tmp_path: Path) -> None:
    result = nsa("train", "--data-root", url, "--output", tmp_path / "run")
    assert result.exit_code == 2
    assert "Traceback" not in result.output
    assert not (tmp_path / "run").exists()


def test_a_folder_of_that_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: Path) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(data, tmp_path / "s3:" / "bucket")
    for name in ("s3:/bucket", "./s3://bucket"):
        assert [one.path.name for one in open_dataset(name, "disc").train][:2] == ["0.png", "1.png"]
    result = nsa("train", "--data-root", "./s3://bucket", "--category", "no")
    assert "s3:/bucket has no category" in sentence(result)


def test_a_slash_too_few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    said = "Error: s3:/b/new does not exist; did you mean s3://b/new?"
    for arguments in (
        ("train", "--data-root", "s3:/b/new"),
        ("train", "--output", "s3:/b/new"),
        ("predict", "RUN", "x.png", "s3:/b/new", "--output", "o"),
    ):
        assert sentence(nsa(*arguments)) == said
    assert list(tmp_path.iterdir()) == []


def test_messages_name_the_url(s3: str, data: Path, tmp_path: Path, cache: Path) -> None:
    url = upload(data, f"{s3}/products")
    result = nsa("train", "--data-root", url, "--category", "no", "--output", tmp_path / "run")
    assert sentence(result).startswith(f"Error: {url} has no category 'no'")
    write_url(f"{url}/disc/train/good/0.png", b"broken")
    result = nsa("train", "--data-root", url, "--category", "disc", "--output", tmp_path / "run")
    assert f"{url}/disc/train/good/0.png" in sentence(result)
    assert str(cache) not in result.output


def test_a_store_that_fails_is_a_sentence(s3: str, tmp_path: Path) -> None:
    output = tmp_path / "run"
    said = sentence(nsa("train", "--data-root", f"{s3}-other/x", "--output", output))
    assert said.endswith("there is no such bucket; check its name.")
    write_url(f"{s3}/file.png", b"x")
    said = sentence(nsa("train", "--data-root", f"{s3}/file.png", "--output", output))
    assert said.endswith("file.png is a file, but a folder of images is needed.")
    said = sentence(nsa("train", "--normal-dir", f"{s3}/x", "--output", output))
    assert said == f"Error: There is nothing at {s3}/x; check the name."
    assert not output.exists()
