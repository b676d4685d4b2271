"""``nsa train --method nsa+gaussian``: both methods and their ensemble with one command."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
import yaml
from tiny import OPTIONS, nsa, rows, sentence
from typer.testing import Result

import nsa as package
from nsa.detectors.ensemble.detector import EnsembleDetector
from nsa.images import Contents, load_images

PARTS = ("01-gaussian", "02-nsa")


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half of the images are held out."""
    path = tmp_path_factory.mktemp("options") / "options.yaml"
    both = {"method": "nsa+gaussian", "network": "resnet18", "weights": "random", "holdout": 0.5}
    path.write_text(yaml.safe_dump({**OPTIONS, **both}))
    return path


def train(data: Path, config: Path, output: Path, *more: object) -> Result:
    return nsa("train", "--data-root", data, "--config", config, "--output", output, *more)


@pytest.fixture(scope="module")
def joint_run(more_data: Path, options: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("joint") / "disc"
    result = train(more_data, options, folder, "--fpr", 0.2)
    assert result.exit_code == 0, result.output
    assert "1 of 3: 01-gaussian" in result.stderr
    assert "2 of 3: 02-nsa" in result.stderr
    assert "10 of the 10 images to calibrate with also set the scales" in result.stderr
    assert "False positive rate 0.2" in result.stderr
    return folder


def contents(run: Path) -> Contents:
    return Contents.read(run / "training_images.safetensors")


def test_both_are_trained_on_the_same_images_and_judged_by_the_others(
    joint_run: Path, more_data: Path
) -> None:
    parts = [joint_run / "members" / name for name in PARTS]
    held = {row["path"] for row in rows(joint_run / "held_out.csv")}
    every = {str(path.resolve()) for path in (more_data / "disc" / "train" / "good").iterdir()}
    assert len(held) == 10
    for run in (joint_run, *parts):
        assert {row["path"] for row in rows(run / "calibration.csv")} == held
        assert set(contents(run).paths) == every - held
    metrics = json.loads((joint_run / "metrics.json").read_text())
    assert metrics["working_point"]["held_out_images"] == 10
    assert metrics["pixel_auroc"] is not None
    assert metrics["times"]["training_seconds"] > 0
    assert isinstance(package.load(joint_run, "cpu"), EnsembleDetector)
    # Each part serves alone, too.
    out = joint_run.parent / "out"
    test = more_data / "disc" / "test" / "good"
    for run in (joint_run, *parts):
        result = nsa(
            "predict", run, test, "--fpr", 0.2, "--output", out, "--overwrite", "--no-overlays"
        )
        assert result.exit_code == 0, result.output
        assert {row["predicted"] for row in rows(out / "scores.csv")} <= {"normal", "anomalous"}


def test_it_is_what_combine_makes_of_both(joint_run: Path, tmp_path: Path) -> None:
    parts = [joint_run / "members" / name for name in PARTS]
    result = nsa("combine", *parts, "--output", tmp_path / "new", "--device", "cpu")
    assert result.exit_code == 0, result.output
    for name in ("held_out.csv", "ensemble.yaml"):
        one, other = ((run / name).read_text() for run in (joint_run, tmp_path / "new"))
        assert one == other.replace("02-gaussian", "01-gaussian")
    found = (rows(run / "scores.csv") for run in (joint_run, tmp_path / "new"))
    for one, other in zip(*found, strict=True):  # labels are at another rate
        assert {**one, "predicted": None} == {**other, "predicted": None}
    assert sorted(path.name for path in (tmp_path / "new" / "members").iterdir()) == list(PARTS)


def test_exported_files_give_the_same(joint_run: Path, normals: Path, tmp_path: Path) -> None:
    onnx, pt2 = tmp_path / "detector.onnx", tmp_path / "detector.pt2"
    for path in (onnx, pt2):
        result = nsa("export", joint_run, "--output", path, "--fpr", 0.2)
        assert result.exit_code == 0, result.output
    detector, session = package.load(joint_run, "cpu"), onnxruntime.InferenceSession(onnx)
    assert [one.name for one in session.get_outputs()] == [
        "maps", "spread", "scores", "anomalous",
    ]  # fmt: skip
    threshold = float(session.get_modelmeta().custom_metadata_map["threshold"])
    module = torch.export.load(pt2).module()
    images = load_images(sorted(normals.iterdir()), detector.size, progress=False)
    for count in (5, 1):
        expected = detector.score(images[:count])
        assert expected.spread is not None
        with torch.no_grad():  # up to torch 2.9 its weights want gradients
            by_torch = module(images[:count])
        for found in (
            session.run(None, {"images": images[:count].numpy()}),
            by_torch,
        ):
            # Members whose scores hardly vary have a scale of 0.002, and float32 1e-7.
            np.testing.assert_allclose(found[0], expected.maps, rtol=1e-4, atol=1e-3)
            np.testing.assert_allclose(found[1], expected.spread, rtol=1e-4, atol=1e-3)
            np.testing.assert_allclose(found[2], expected.scores, rtol=1e-4, atol=1e-3)
            assert found[3].tolist() == (expected.scores > threshold).tolist()


def results(run: Path) -> dict[str, Any]:
    """All files of a run but times and pictures."""
    return {
        str(path.relative_to(run)): path.read_bytes()
        for path in run.rglob("*")
        if path.suffix in (".csv", ".safetensors", ".yaml")
    }


def test_a_stopped_training_goes_on_to_the_same_result(
    joint_run: Path,
    more_data: Path,
    options: Path,
    tmp_path: Path,
    stop_after: Callable[[int], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = tmp_path / "run"
    stop_after(4)
    result = train(more_data, options, run, "--fpr", 0.2)
    assert result.exit_code == 130, result.output
    monkeypatch.undo()
    assert f"saved; continue with: nsa train --resume {run} (add --epochs 1" in result.stderr
    gaussian, network = (run / "members" / name for name in PARTS)
    assert (network / "checkpoint.safetensors").is_file()
    message = sentence(nsa("predict", run, more_data / "disc", "--output", tmp_path / "out"))
    assert f"is unfinished; nsa train --resume {run} continues it." in message
    # On all images it would be another run.
    message = sentence(nsa("train", "--resume", network))
    assert f"is part of the run in {run}; nsa train --resume {run} continues it." in message
    message = sentence(nsa("train", "--resume", run, "--network", "resnet34", "--batch-size", 5))
    assert "--batch-size, --network cannot change" in message
    shorter = Path(shutil.copytree(run, tmp_path / "shorter"))
    fitted = (gaussian / "gaussian.safetensors").stat().st_mtime_ns
    result = nsa("train", "--resume", run)
    assert result.exit_code == 0, result.output
    assert (gaussian / "gaussian.safetensors").stat().st_mtime_ns == fitted
    assert results(run) == results(joint_run)
    result = nsa("train", "--resume", run)  # all is there
    assert "is complete; evaluating" in result.stderr
    assert results(run) == results(joint_run)
    # It may end where it stands.
    result = nsa("train", "--resume", shorter, "--epochs", 1)
    assert result.exit_code == 0, result.output
    for each in (shorter, shorter / "members" / "02-nsa"):
        written = yaml.safe_load((each / "config.yaml").read_text())
        assert written["training"]["epochs"] == 1
    assert len(rows(shorter / "members" / "02-nsa" / "log.csv")) == 1


@pytest.mark.parametrize("lost", ["ensemble.yaml", "members/02-nsa/config.yaml", "members"])
def test_what_is_missing_is_made_again(joint_run: Path, tmp_path: Path, lost: str) -> None:
    """As where a call was killed before it had written it."""
    run = Path(shutil.copytree(joint_run, tmp_path / "run"))
    expected = results(run)
    (run / "metrics.json").unlink()
    if lost == "members":
        shutil.rmtree(run / lost)
    else:
        (run / lost).unlink()
        (run / lost).with_name("calibration.csv").unlink()
    result = nsa("train", "--resume", run)
    assert result.exit_code == 0, result.output
    assert results(run) == expected


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--holdout", 0.3), "there are 6; raise --holdout above 0.3 of 20 images, or give more."),
        (("--holdout", 0.95), "at least two normal images, got 1"),
        (("--holdout", 1.5), "holdout must be from 0 to below 1"),
        (("--fpr", 0.01), "cannot be set by 10 held-out normal images"),
        (("--weights", "nowhere.pth"), "nowhere.pth"),
        (("--epochs", 0), "epochs must be"),
        (("--profile",), "--profile measures training steps"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_trained(
    more: tuple[object, ...], message: str, more_data: Path, options: Path, tmp_path: Path
) -> None:
    output = tmp_path / "new"
    assert message in sentence(train(more_data, options, output, *more))
    assert not output.exists()


def test_pictures_under_other_names_are_not_divided_anew(
    joint_run: Path, tmp_path: Path, more_data: Path
) -> None:
    """The Gaussian detector is there, NSA is not: it must not train on what that one held out."""
    run = Path(shutil.copytree(joint_run, tmp_path / "run"))
    for name in ("metrics.json", "ensemble.yaml"):
        (run / name).unlink()
    shutil.rmtree(run / "members" / "02-nsa")
    moved = Path(shutil.copytree(more_data, tmp_path / "data"))
    good = sorted((moved / "disc" / "train" / "good").iterdir())
    contents = [path.read_bytes() for path in good]
    for path, content in zip(good, contents[1:] + contents[:1], strict=True):
        path.write_bytes(content)
    message = sentence(nsa("train", "--resume", run, "--data-root", moved))
    assert "are others than when it began; put those back, or start a new run." in message
    assert not (run / "members" / "02-nsa").exists()


def test_images_that_came_in_between_are_not_held_out(
    joint_run: Path, tmp_path: Path, more_data: Path
) -> None:
    run = Path(shutil.copytree(joint_run, tmp_path / "run"))
    moved = Path(shutil.copytree(more_data, tmp_path / "data"))
    for name in ("metrics.json", "ensemble.yaml"):
        (run / name).unlink()
    good = moved / "disc" / "train" / "good"
    os.replace(moved / "disc" / "test" / "good" / "0.png", good / "a.png")  # noqa: PTH105
    for path in (run / "members").glob("*/training_images.safetensors"):
        trained = Contents.read(path)
        trained.paths = [str(good / Path(one).name) for one in trained.paths]
        trained.write(path)
    message = sentence(nsa("train", "--resume", run, "--data-root", moved))
    assert "are others than when it began" in message
