"""Verdicts of the review page: ``nsa calibrate --verdicts`` and ``nsa train --resume-from``."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file
from tiny import OPTIONS, nsa, picture, rows, sentence, write

from nsa.images import Contents

HELD_OUT = ("--holdout", 0.25, "--fpr", 0.2)


@pytest.fixture(scope="module")
def calibrated(more_data: Path, one_epoch: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of NSA with five images held out."""
    folder = tmp_path_factory.mktemp("calibrated") / "disc"
    place = ("--data-root", more_data, "--config", one_epoch, "--output", folder)
    result = nsa("train", *place, *HELD_OUT)
    assert result.exit_code == 0, result.output
    return folder


@pytest.fixture
def run(calibrated: Path, tmp_path: Path) -> Path:
    """A copy of it, to be changed."""
    copied = tmp_path / "run"
    shutil.copytree(calibrated, copied)
    return copied


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of six good images and two bad ones, in its folder."""
    folder = tmp_path_factory.mktemp("judged")
    for index in range(6):
        write(folder / f"good {index}.png", picture(700 + index)[0])
    for index in range(2):
        write(folder / f"bad {index}.png", picture(800 + index, defect=True)[0])
    return write_table(folder)


def write_table(folder: Path, **more: str) -> Path:
    """The table of a folder whose files begin with their verdict, and of further files."""
    path = folder / "verdicts.csv"
    said = {one.name: one.name.split()[0] for one in sorted(folder.glob("*.png"))} | more
    path.write_text("path,verdict\n" + "".join(f'"{name}",{v}\n' for name, v in said.items()))
    return path


def config_of(run: Path) -> dict[str, Any]:
    values: dict[str, Any] = yaml.safe_load((run / "config.yaml").read_text())
    return values


def held_out(run: Path) -> set[str]:
    return {row["path"] for row in rows(run / "calibration.csv")}


@pytest.mark.parametrize("kind", ["network", "gaussian"])
def test_calibrate_adds_good_images_to_the_present_ones(
    kind: str, calibrated: Path, gaussian_run: Path, judged: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(calibrated if kind == "network" else gaussian_run, run)
    before = held_out(run)
    result = nsa("calibrate", run, "--verdicts", judged)
    assert result.exit_code == 0, result.output
    good = {str(judged.parent / f"good {index}.png") for index in range(6)}
    assert held_out(run) == before | good
    assert "Of 2 images judged bad" in result.stdout
    assert "false positive rate of 20 %" in result.stdout
    # Once more, with what is there now; nothing changes.
    assert nsa("calibrate", run, "--verdicts", judged).exit_code == 0
    assert held_out(run) == before | good


def test_calibrate_leaves_out_bad_images_whatever_they_are_called(
    run: Path, judged: Path, normals: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "named"
    shutil.copytree(normals, folder)
    shutil.copy(judged.parent / "bad 0.png", folder / "x.png")
    result = nsa("calibrate", run, folder, "--verdicts", judged)
    assert result.exit_code == 0, result.output
    assert "1 of 26 images are judged bad and do not calibrate." in result.stderr
    assert str(folder / "x.png") not in held_out(run)
    assert len(held_out(run)) == 19 + 6


def test_calibrate_warns_of_false_alarms_alone(
    gaussian_run: Path, judged: Path, tmp_path: Path
) -> None:
    run, dark = tmp_path / "run", tmp_path / "dark"
    shutil.copytree(gaussian_run, run)
    write(dark / "good and dark.png", picture(1)[0] // 8)
    result = nsa("calibrate", run, "--verdicts", write_table(dark))
    assert result.exit_code == 0, result.output
    assert "calls every image anomalous that was judged good (1 image)" in result.stderr
    assert str(dark / "good and dark.png") in held_out(run)
    # Now it is a normal image like others.
    result = nsa("calibrate", run, "--verdicts", judged)
    assert "calls every image anomalous" not in result.stderr


def test_calibrate_refuses_what_it_cannot_do(
    run: Path, network_run: Path, judged: Path, tmp_path: Path
) -> None:
    before = (run / "calibration.csv").read_bytes()
    assert "no images to calibrate with" in sentence(nsa("calibrate", run))
    trained = Contents.read(run / "training_images.safetensors").paths[0]
    table = tmp_path / "verdicts.csv"
    table.write_text(f"path,verdict\n{trained},good\n")
    message = sentence(nsa("calibrate", run, "--verdicts", table))
    assert "1 of 6 images are training images" in message
    lines = rows(run / "calibration.csv")
    gone = (run / "calibration.csv").read_text().replace(lines[0]["path"], "/gone/0.png")
    (run / "calibration.csv").write_text(gone)
    message = sentence(nsa("calibrate", run, "--verdicts", judged))
    assert message.startswith("Error: 1 of the 5 images")
    assert "is gone, such as /gone/0.png" in message
    assert (run / "calibration.csv").read_text() == gone
    assert before.decode() != gone
    table.write_text(f"path,verdict\n{judged.parent / 'bad 0.png'},bad\n")
    message = sentence(nsa("calibrate", network_run, "--verdicts", table))
    assert "judges no image good, and the run in" in message


def test_a_network_goes_on_with_good_images_and_its_own_held_out_ones(
    calibrated: Path, judged: Path, tmp_path: Path
) -> None:
    new = tmp_path / "new"
    result = nsa("train", "--resume-from", calibrated, "--verdicts", judged, "--output", new)
    assert result.exit_code == 0, result.output
    values, first = config_of(new), config_of(calibrated)
    assert values.pop("resume_from") == str(calibrated)
    assert values.pop("verdicts") == str(judged)
    assert values["training"].pop("learning_rate") == pytest.approx(3e-4)
    assert first["training"].pop("learning_rate") == 1e-3
    assert values == first
    assert held_out(new) == held_out(calibrated)
    trained = set(Contents.read(new / "training_images.safetensors").paths)
    good = {str(judged.parent / f"good {index}.png") for index in range(6)}
    assert trained == set(Contents.read(calibrated / "training_images.safetensors").paths) | good
    point = json.loads((new / "metrics.json").read_text())["working_point"]
    assert point["judged_bad"]["images"] == 2
    assert "Of 2 images judged bad" in result.stderr
    again = nsa("evaluate", new, "--no-review")
    assert json.loads((new / "metrics.json").read_text())["working_point"] == point, again.output
    assert (calibrated / "metrics.json").is_file()
    # And on from there, with the same images and the same schedule.
    last = tmp_path / "last"
    result = nsa("train", "--resume-from", new, "--output", last)
    assert result.exit_code == 0, result.output
    assert config_of(last)["training"] == config_of(new)["training"]
    assert set(Contents.read(last / "training_images.safetensors").paths) == trained
    assert held_out(last) == held_out(calibrated)


def test_weights_are_the_start_and_an_interruption_changes_nothing(
    calibrated: Path,
    judged: Path,
    tmp_path: Path,
    stop_after: Callable[[int], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = tmp_path / "first"
    shutil.copytree(calibrated, first)
    how = ("--verdicts", judged, "--epochs", 2, "--learning-rate", 1e-9, "--output")
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    assert nsa("train", "--resume-from", first, *how, whole).exit_code == 0
    stop_after(2)
    result = nsa("train", "--resume-from", first, *how, stopped)
    assert result.exit_code == 130, result.output
    monkeypatch.undo()
    shutil.rmtree(first)  # its weights are in the checkpoint
    assert nsa("train", "--resume", stopped).exit_code == 0
    start, one, two = (load_file(x / "model.safetensors") for x in (calibrated, whole, stopped))
    torch.testing.assert_close(one, two, rtol=0, atol=0)
    weights = [name for name, value in start.items() if name.endswith("weight")]
    for name in weights:
        torch.testing.assert_close(start[name], one[name], rtol=0, atol=1e-6)
    point = json.loads((stopped / "metrics.json").read_text())["working_point"]
    assert point["judged_bad"]["images"] == 2


def test_a_gaussian_detector_is_fitted_again(
    gaussian_run: Path, judged: Path, tmp_path: Path
) -> None:
    new = tmp_path / "new"
    result = nsa("train", "--resume-from", gaussian_run, "--verdicts", judged, "--output", new)
    assert result.exit_code == 0, result.output
    assert held_out(new) == held_out(gaussian_run)
    count = len(Contents.read(gaussian_run / "training_images.safetensors"))
    assert len(Contents.read(new / "training_images.safetensors")) == count + 6
    scores = [[row["score"] for row in rows(x / "calibration.csv")] for x in (gaussian_run, new)]
    assert scores[0] != scores[1]
    message = sentence(nsa("train", "--resume-from", new, "--output", tmp_path / "no"))
    assert "the same images give the same Gaussians" in message
    message = sentence(
        nsa("train", "--resume-from", new, "--verdicts", judged, "--output", tmp_path / "no")
    )
    assert "There is no image that" in message
    assert not (tmp_path / "no").exists()


def test_both_methods_together_go_on(more_data: Path, judged: Path, tmp_path: Path) -> None:
    both = {"method": "nsa+gaussian", "network": "resnet18", "weights": "random", "holdout": 0.5}
    (tmp_path / "o.yaml").write_text(yaml.safe_dump({**OPTIONS, **both, "epochs": 1}))
    first, new = tmp_path / "first", tmp_path / "new"
    place = ("--data-root", more_data, "--config", tmp_path / "o.yaml", "--output", first)
    assert nsa("train", *place).exit_code == 0
    result = nsa("train", "--resume-from", first, "--verdicts", judged, "--output", new)
    assert result.exit_code == 0, result.output
    assert held_out(new) == held_out(first)
    for member in ("01-gaussian", "02-nsa"):
        contents = Contents.read(new / "members" / member / "training_images.safetensors")
        assert len(contents) == 10 + 6
    assert config_of(new / "members" / "02-nsa")["resume_from"] == str(first / "members/02-nsa")
    result = nsa("train", "--resume", new)
    assert result.exit_code == 0, result.output
    part = ("train", "--resume-from", new / "members" / "02-nsa", "--output", tmp_path / "no")
    assert f"is part of the run in {new}, which" in sentence(nsa(*part))
    grown = tmp_path / "grown"
    shutil.copytree(more_data, grown)
    write(grown / "disc" / "train" / "good" / "00.png", picture(900)[0])
    moved = ("--data-root", grown, "--output", tmp_path / "no")
    message = sentence(nsa("train", "--resume-from", first, "--verdicts", judged, *moved))
    assert "1 image was added to those that" in message
    assert not (tmp_path / "no").exists()


def test_what_contradicts_the_first_run_is_refused(
    calibrated: Path, judged: Path, more_data: Path, tmp_path: Path
) -> None:
    output = ("--output", tmp_path / "no")
    go_on = ("train", "--resume-from", calibrated, *output)
    for options, told in (
        (("--batch-size", 8), "--batch-size cannot change"),
        (("--method", "gaussian"), "a run of another method"),
        (("--seed", 3), "--seed cannot change"),
        (("--learning-rate", -1), "learning_rate"),
        (("--verdicts", tmp_path / "none.csv"), "none.csv"),
        (("--data-root", tmp_path), "needed to go on"),
    ):
        assert told in sentence(nsa(*go_on, *options))
    message = sentence(nsa("train", "--data-root", more_data, "--verdicts", judged, *output))
    assert "add --resume-from" in message
    message = sentence(nsa("train", "--resume", calibrated, "--verdicts", judged))
    assert "leave out --resume" in message
    assert "is not a run folder" in sentence(nsa("train", "--resume-from", tmp_path, *output))
    table = tmp_path / "verdicts.csv"
    for path in (next(iter(held_out(calibrated))), *known_to(calibrated)[:1]):
        table.write_text(f"path,verdict\n{path},bad\n")
        assert "as normal; take such images away" in sentence(nsa(*go_on, "--verdicts", table))
    assert not (tmp_path / "no").exists()


def known_to(run: Path) -> list[str]:
    return Contents.read(run / "training_images.safetensors").paths


def test_good_images_that_are_known_are_not_trained_on_twice(
    calibrated: Path, judged: Path, tmp_path: Path
) -> None:
    table, new = tmp_path / "verdicts.csv", tmp_path / "new"
    good = judged.parent / "good 0.png"
    shutil.copy(good, tmp_path / "copy.png")
    known = [next(iter(held_out(calibrated))), known_to(calibrated)[0], good, "copy.png"]
    table.write_text("path,verdict\n" + "".join(f"{path},good\n" for path in known))
    result = nsa("train", "--resume-from", calibrated, "--verdicts", table, "--output", new)
    assert result.exit_code == 0, result.output
    assert "3 of the 4 images judged good are not trained on once more: 2 were" in result.stderr
    assert len(known_to(new)) == len(known_to(calibrated)) + 1
    assert held_out(new) == held_out(calibrated)


def test_training_images_must_be_there_as_they_were(
    calibrated: Path, more_data: Path, tmp_path: Path
) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(more_data, moved)
    names = ("train", "--resume-from", calibrated, "--data-root", moved, "--output")
    assert nsa(*names, tmp_path / "new").exit_code == 0
    changed = moved / "disc" / "train" / "good" / Path(known_to(calibrated)[0]).name
    write(changed, picture(999)[0])
    message = sentence(nsa(*names, tmp_path / "no"))
    assert "1 of the 15 images that" in message
    assert "--resume-from" in message
    assert not (tmp_path / "no" / "config.yaml").exists()
