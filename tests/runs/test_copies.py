"""Copies of pictures are no evidence: in calibrations, in test sets, and in what is held out."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import pytest
from tiny import nsa, sentence, train_gaussian, write, write_product
from typer.testing import Result

from nsa.folder import CONTENTS as FILE
from nsa.images import Contents, load_images


def reencoded(source: Path, target: Path) -> Path:
    """The same pixels in a file of other bytes."""
    pixels = cv2.imdecode(np.frombuffer(source.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 0])[1].tobytes())
    assert target.read_bytes() != source.read_bytes()
    return target


def good(root: Path, *numbers: int) -> list[Path]:
    return [root / "disc" / "train" / "good" / f"{number}.png" for number in numbers]


def said(result: Result, words: str) -> str:
    """The line of the log with these words, of a command that worked."""
    assert result.exit_code == 0, result.output
    (line,) = (line for line in result.stderr.splitlines() if words in line)
    return line


def calibrate(run: Path, *images: object) -> Result:
    return nsa("calibrate", run, *images, "--device", "cpu")


@pytest.fixture
def own_run(network_run: Path, tmp_path: Path) -> Path:
    """A copy of a finished run, to be changed."""
    return Path(shutil.copytree(network_run, tmp_path / "run"))


@pytest.mark.parametrize("known", ["kept", "read again"])
def test_copies_of_training_images_cannot_calibrate(
    own_run: Path, more_data: Path, normals: Path, tmp_path: Path, known: str
) -> None:
    if known == "read again":  # a run of an earlier version
        (own_run / FILE).unlink()
    photos = tmp_path / "photos"
    shutil.copytree(normals, photos)
    renamed = reencoded(good(more_data, 7)[0], photos / "a.png")
    message = sentence(calibrate(own_run, photos))
    assert "1 of 20 images are training images or copies of them" in message
    assert f"such as {renamed} of {good(more_data, 7)[0]}" in message
    assert not (own_run / "calibration.csv").exists()
    renamed.unlink()
    assert calibrate(own_run, photos).exit_code == 0
    assert (own_run / FILE).exists()  # from now on, wherever the training images are


def test_moved_training_images_are_known_by_what_was_kept(
    one_epoch: Path, normals: Path, tmp_path: Path
) -> None:
    root, run = write_product(tmp_path / "data", train=3), tmp_path / "run"
    result = nsa("train", "--data-root", root, "--config", one_epoch, "--output", run)
    assert result.exit_code == 0, result.output
    copy = reencoded(good(root, 1)[0], tmp_path / "photos" / "x.png")
    shutil.rmtree(root)
    assert "1 of 1 images are training images" in sentence(calibrate(run, copy))
    (run / FILE).unlink()
    line = said(calibrate(run, normals), "it cannot be checked")
    assert "disc" in line or "data" in line
    (run / FILE).write_bytes(b"\x00")
    assert f"{run / FILE} cannot be read" in sentence(calibrate(run, normals))


def test_every_picture_calibrates_once(own_run: Path, normals: Path, tmp_path: Path) -> None:
    assert calibrate(own_run, normals).exit_code == 0
    alone = (own_run / "calibration.csv").read_text()
    photos = tmp_path / "photos"
    for number in (3, 5):
        reencoded(normals / f"{number}.png", photos / f"{number}.png")
    line = said(calibrate(own_run, normals, photos), "each picture counts once")
    assert "2 of 21 images are copies of others" in line
    assert f"such as {photos / '3.png'} of {normals / '3.png'}" in line
    assert (own_run / "calibration.csv").read_text() == alone


def alike(count: int, first: int) -> Iterable[np.ndarray]:
    """So many different pictures of a product that lies where it happens to lie."""
    for seed in range(first, first + count):
        random = np.random.default_rng(seed)
        pixels = np.full((80, 80, 3), 220, np.uint8)
        for _ in range(12):
            place = [int(v) for v in random.integers(10, 70, 2)]
            cv2.circle(pixels, place, 6, [int(v) for v in random.integers(0, 255, 3)], -1)
        yield (pixels + random.normal(0, 2, pixels.shape)).clip(0, 255).astype(np.uint8)


def test_the_same_photograph_saved_differently_is_said(own_run: Path, tmp_path: Path) -> None:
    """Against sixty training images, which is enough to know how alike they usually are."""
    for index, pixels in enumerate(alike(60, 0)):
        write(tmp_path / "trained" / f"{index}.png", pixels)
    trained = Contents(sorted((tmp_path / "trained").iterdir()))
    load_images(trained.paths, (72, 72), progress=False, contents=trained)
    trained.write(own_run / FILE)
    for index, pixels in enumerate(alike(9, 1000)):
        write(tmp_path / "new" / f"{index}.png", pixels)
    assert "same photographs" not in calibrate(own_run, tmp_path / "new").stderr
    photo = next(iter(alike(1, 5)))
    write(tmp_path / "new" / "z.jpg", photo)
    write(tmp_path / "new" / "n.jpg", next(iter(alike(1, 1004))))
    result = calibrate(own_run, tmp_path / "new")
    line = said(result, "as training images")
    assert "1 of 11 images look like the same photographs" in line
    assert f"such as {tmp_path / 'new' / 'z.jpg'} of {tmp_path / 'trained' / '5.png'}" in line
    line = said(result, "as others")
    assert "1 of 11 images" in line
    assert "n.jpg" in line
    assert "4.png" in line
    # And in a test set.
    root = write_product(tmp_path / "test", train=1, good=2)
    write(root / "disc" / "test" / "good" / "0.jpg", photo)
    write(root / "disc" / "test" / "spot" / "0.jpg", photo)  # a defect on it may be small
    result = nsa("evaluate", own_run, "--data-root", root, "--output", tmp_path / "judged")
    assert "1 of 3 normal test images look like" in said(result, "as training images")


def test_copies_in_the_test_set_are_said(one_epoch: Path, normals: Path, tmp_path: Path) -> None:
    root, run = write_product(tmp_path / "data", train=6), tmp_path / "run"
    test = root / "disc" / "test"
    copy = reencoded(good(root, 2)[0], test / "good" / "9.png")
    reencoded(good(root, 3)[0], test / "spot" / "9.png")
    reencoded(test / "spot" / "0.png", test / "good" / "8.png")
    reencoded(good(root, 0)[0], good(root, 6)[0])
    result = nsa("train", "--data-root", root, "--config", one_epoch, "--output", run)
    line = said(result, "more often than the rest")
    assert "1 of 7 training images are copies of others" in line
    for command in (result, nsa("evaluate", run, "--output", tmp_path / "judged", "--overwrite")):
        line = said(command, "are copies of training images")
        assert "1 normal and 1 defective test images" in line
        assert f"such as {copy} of {good(root, 2)[0]}" in line
        line = said(command, "each counts in the metrics")
        assert "1 of 9 test images are copies" in line
        assert "(1 of them normal in one place and defective in another)" in line
    # Neither they nor what was calibrated with say what rate a threshold achieves.
    photos = tmp_path / "photos"
    shutil.copytree(normals, photos)
    reencoded(test / "good" / "0.png", photos / "x.png")
    assert calibrate(run, photos).exit_code == 0
    result = nsa("evaluate", run, "--fpr", 0.1, "--output", tmp_path / "judged", "--overwrite")
    assert "4 test images were calibrated with or trained on" in said(result, "achieved rates")
    point = json.loads((tmp_path / "judged" / "metrics.json").read_text())["working_point"]
    assert point["test_normal_images"] == 3  # 1, 2 and the first of those that are in both


def test_a_calibration_without_digests_goes_by_paths(
    own_run: Path, more_data: Path, tmp_path: Path
) -> None:
    assert calibrate(own_run, more_data / "disc" / "test" / "good").exit_code == 0
    kept = own_run / "calibration.csv"
    lines = [",".join(line.split(",")[:2]) for line in kept.read_text().splitlines()]
    kept.write_text("\n".join(lines) + "\n")
    result = nsa("evaluate", own_run, "--fpr", 0.3, "--output", tmp_path / "judged")
    assert "3 test images were calibrated with" in said(result, "achieved rates")


def test_copies_are_on_one_side_of_the_hold_out(small_gaussian: Path, tmp_path: Path) -> None:
    """All is as without them."""
    root = write_product(tmp_path / "data", train=20)
    options = ("--fpr", 0.2, "--holdout", 0.25, "--seed", 3)
    assert train_gaussian(root, small_gaussian, tmp_path / "alone", *options).exit_code == 0
    alone = (tmp_path / "alone" / "calibration.csv").read_text()
    assert len(alone.splitlines()) == 6
    for name in range(20):  # the natural order has them last
        reencoded(good(root, name)[0], good(root, 100 + name)[0])
    result = train_gaussian(root, small_gaussian, tmp_path / "run", *options)
    line = said(result, "each picture counts once")
    assert "20 of 40 training images are copies of others" in line
    assert f"such as {good(root, 100)[0]} of {good(root, 0)[0]}" in line
    assert (tmp_path / "run" / "calibration.csv").read_text() == alone


def test_copies_do_not_make_enough_images_for_a_rate(small_gaussian: Path, tmp_path: Path) -> None:
    root = write_product(tmp_path / "data", train=10)
    for number in range(10):
        reencoded(good(root, number)[0], good(root, 100 + number)[0])
    options = ("--fpr", 0.2, "--holdout", 0.25)  # of 20 images 5, of 10 images 2
    message = sentence(train_gaussian(root, small_gaussian, tmp_path / "run", *options))
    assert "cannot be set by 2 held-out normal images" in message
    assert not (tmp_path / "run").exists()
