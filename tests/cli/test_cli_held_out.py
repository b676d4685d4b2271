"""Images that a training holds out: which of them count, and that they stay known as held out."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tiny import nsa, picture, rows, sentence, train_gaussian, write

from nsa.folder import CONTENTS, HELD_OUT
from nsa.images import Contents


@pytest.fixture(scope="module")
def calibrated(more_data: Path, one_epoch: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of NSA with five images held out."""
    folder = tmp_path_factory.mktemp("calibrated") / "disc"
    place = ("--data-root", more_data, "--config", one_epoch, "--output", folder)
    result = nsa("train", *place, "--holdout", 0.25, "--fpr", 0.2)
    assert result.exit_code == 0, result.output
    return folder


@pytest.fixture(params=["calibrated", "gaussian_run"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of a run of either method that held out five images, to be changed."""
    copied = tmp_path / "run"
    shutil.copytree(request.getfixturevalue(request.param), copied)
    return copied


@pytest.fixture(scope="module")
def with_validation(more_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nineteen validation images, one of which is a training image."""
    root = tmp_path_factory.mktemp("validation") / "data"
    shutil.copytree(more_data, root)
    folder = root / "disc" / "validation" / "good"
    for number in range(18):
        write(folder / f"{number}.png", picture(700 + number)[0])
    shutil.copy(root / "disc" / "train" / "good" / "0.png", folder / "copy.png")
    return root


def table(path: Path, *said: tuple[str | Path, str]) -> Path:
    path.write_text("path,verdict\n" + "".join(f'"{name}",{verdict}\n' for name, verdict in said))
    return path


def test_a_rate_that_copies_make_impossible_is_refused_before_the_training(
    with_validation: Path, one_epoch: Path, small_gaussian: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    place = ("--data-root", with_validation, "--config", one_epoch, "--output", run)
    for result in (
        nsa("train", *place, "--fpr", 0.05),
        train_gaussian(with_validation, small_gaussian, run, "--fpr", 0.05),
    ):
        message = sentence(result)
        assert "1 of 19 validation images are copies of training images" in message
        assert "by 18 held-out normal images" in message
        assert not run.exists()
    copies = tmp_path / "copies"
    shutil.copytree(with_validation, copies)
    for path in (copies / "disc" / "train" / "good").glob("?.png"):
        shutil.copy(path, path.with_name(f"copy of {path.name}"))
    shutil.rmtree(copies / "disc" / "validation")
    place = ("--data-root", copies, "--config", one_epoch, "--output", run)
    message = sentence(nsa("train", *place, "--fpr", 0.067, "--holdout", 0.5))
    assert "of 15 held-out images are copies of training images" in message
    assert not run.exists()


def test_copies_among_validation_images_are_named(
    with_validation: Path, small_gaussian: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    result = train_gaussian(with_validation, small_gaussian, run)
    assert result.exit_code == 0, result.output
    assert "1 of 19 validation images are copies" in result.stderr
    assert "The 18 validation images set the threshold." in result.stderr
    assert len(rows(run / "calibration.csv")) == 18


def test_held_out_images_stay_known_after_another_calibration(
    run: Path, normals: Path, tmp_path: Path
) -> None:
    held = [row["path"] for row in rows(run / "calibration.csv")]
    assert Contents.read(run / HELD_OUT).paths == held
    assert nsa("calibrate", run, normals).exit_code == 0
    bad, new = table(tmp_path / "bad.csv", (held[0], "bad")), tmp_path / "new"
    go_on = ("train", "--resume-from", run, "--output", new, "--verdicts")
    message = sentence(nsa(*go_on, bad))
    assert "or held out, as normal; take such images away" in message
    good = table(tmp_path / "good.csv", (held[0], "good"), (normals / "0.png", "good"))
    result = nsa(*go_on, good)
    assert result.exit_code == 0, result.output
    assert "1 of the 2 images judged good are not trained on once more" in result.stderr
    assert [row["path"] for row in rows(new / "calibration.csv")] == held
    # They were not trained on, so they may calibrate the run again.
    result = nsa("calibrate", run, *held, "--overwrite")
    assert result.exit_code == 0, result.output
    assert [row["path"] for row in rows(run / "calibration.csv")] == held


def test_a_training_image_judged_bad_is_told(run: Path, tmp_path: Path) -> None:
    held = [row["path"] for row in rows(run / "calibration.csv")]
    trained = next(x for x in Contents.read(run / CONTENTS).paths if x not in held)
    result = nsa("calibrate", run, "--verdicts", table(tmp_path / "v.csv", (trained, "bad")))
    assert result.exit_code == 0, result.output
    assert f"was trained on 1 image judged bad, such as {trained}" in result.stderr
    result = nsa(
        "calibrate", run, "--overwrite", "--verdicts", table(tmp_path / "v.csv", (held[0], "bad"))
    )
    assert result.exit_code == 0, result.output
    assert "was trained on" not in result.stderr


def test_a_further_training_takes_no_other_images(
    run: Path, normals: Path, more_data: Path, tmp_path: Path
) -> None:
    good, new = table(tmp_path / "v.csv", (normals / "0.png", "good")), tmp_path / "new"
    go_on = ("train", "--resume-from", run, "--verdicts", good, "--output", new)
    message = sentence(nsa(*go_on, "--normal-dir", normals))
    assert "not among its training images any more" in message
    assert not new.exists()
    grown = tmp_path / "grown"
    shutil.copytree(more_data / "disc" / "train" / "good", grown)
    write(grown / "00.png", picture(900)[0])
    result = nsa(*go_on, "--normal-dir", grown)
    if (run / "gaussian.yaml").is_file():  # is fitted anew, to all that is not held out now
        assert result.exit_code == 0, result.output
    else:
        assert "1 image was added to those that" in sentence(result)
        assert not new.exists()
