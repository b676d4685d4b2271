"""Trainings on images of their own shape, from the first command to the masks of the last."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import yaml
from tiny import nsa, rows, sentence, write, write_config

import nsa as package

SHAPES = [(90, 120), (90, 120), (100, 76), (84, 130)]  # height and width
NATIVE = ("--size", "native", "--crop", "64")
WHOLE = ("--size", "96")


def product(seed: int, defect: bool) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """A texture of one of several shapes, perhaps with a spot, and its mask."""
    random = np.random.default_rng(seed)
    height, width = SHAPES[seed % len(SHAPES)]
    image = random.normal(120, 20, (height, width, 3))
    mask = np.zeros((height, width), np.uint8)
    if defect:
        place = (int(random.integers(10, width - 10)), int(random.integers(10, height - 10)))
        cv2.circle(mask, place, 4, 255, -1)
        image[mask > 0] = 250
    return image.clip(0, 255).astype(np.uint8), mask


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root whose images have several shapes."""
    folder = tmp_path_factory.mktemp("shapes") / "sheet"
    for index in range(12):
        write(folder / "train" / "good" / f"{index:02d}.png", product(index, False)[0])
    for index in range(4):
        write(folder / "test" / "good" / f"{index}.png", product(50 + index, False)[0])
        image, mask = product(90 + index, True)
        write(folder / "test" / "spot" / f"{index}.png", image)
        write(folder / "ground_truth" / "spot" / f"{index}_mask.png", mask)
    return folder.parent


def train(shapes: Path, folder: Path, *options: str, **more: Any) -> Path:
    config = write_config(folder / "options.yaml", images={"channels": 3}, kind="texture", **more)
    places = ("--data-root", shapes, "--config", config, "--output", folder / "run")
    result = nsa("train", *places, *options)
    assert result.exit_code == 0, result.output
    return folder / "run"


@pytest.fixture(scope="module")
def native(shapes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(shapes, tmp_path_factory.mktemp("native"), *NATIVE)


@pytest.fixture(scope="module")
def whole(shapes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(shapes, tmp_path_factory.mktemp("whole"), *WHOLE)


@pytest.mark.parametrize("name", ["native", "whole"])
def test_a_run_judges_images_of_every_shape(
    name: str, shapes: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    run: Path = request.getfixturevalue(name)
    images = yaml.safe_load((run / "config.yaml").read_text())["images"]
    assert images["resize"] == ("none" if name == "native" else "fit")
    assert images["size"] == ([100, 130] if name == "native" else [72, 96])
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["paper_protocol"]["image_auroc"] == metrics["image_auroc"]
    assert metrics["au_pro_05"] is not None
    tested = shapes / "sheet" / "test"
    options = ("--save-maps", "--output", tmp_path / "out", "--device", "cpu")
    result = nsa("predict", run, tested / "good", tested / "spot", *options)
    assert result.exit_code == 0, result.output
    predicted = rows(tmp_path / "out" / "scores.csv")
    kept = {row["path"]: float(row["raw_score"]) for row in rows(run / "scores.csv")}
    assert kept == pytest.approx(
        {row["path"]: float(row["raw_score"]) for row in predicted}, rel=1e-4
    )
    detector = package.load(run, "cpu")
    for row in predicted:
        image = cv2.imread(row["path"])[:, :, ::-1].copy()
        stored = np.load(tmp_path / "out" / row["map"])
        assert stored.shape == image.shape[:2]
        maps, scores = detector.predict(package.images.load_images(
            [row["path"]], image.shape[:2], progress=False
        ))  # fmt: skip
        np.testing.assert_allclose(maps[0, 0].numpy(), stored, rtol=0, atol=1e-5)
        assert float(scores[0]) == pytest.approx(float(row["raw_score"]), rel=1e-4)
    judged = nsa("evaluate", run, "--output", tmp_path / "judged")
    assert judged.exit_code == 0, judged.output
    again = json.loads((tmp_path / "judged" / "metrics.json").read_text())
    assert again["pixel_auroc"] == pytest.approx(metrics["pixel_auroc"], abs=1e-4)


@pytest.mark.parametrize("name", ["native", "whole"])
def test_a_run_goes_on_and_is_made_again(
    name: str, shapes: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    run: Path = request.getfixturevalue(name)
    options = NATIVE if name == "native" else WHOLE
    assert nsa("train", "--resume", run, *options).exit_code == 0
    message = sentence(nsa("train", "--resume", run, "--size", "97"))
    assert "--size cannot change" in message
    places = ("--data-root", shapes, "--config", run / "config.yaml", "--output", tmp_path / "run")
    result = nsa("train", *places)
    assert result.exit_code == 0, result.output
    weights = [(folder / "model.safetensors").read_bytes() for folder in (run, tmp_path / "run")]
    assert weights[0] == weights[1]


def test_held_out_images_set_its_threshold(native: Path, tmp_path: Path) -> None:
    for index in range(25):
        write(tmp_path / "kept" / f"{index}.png", product(300 + index, False)[0])
    result = nsa("calibrate", native, tmp_path / "kept")
    assert result.exit_code == 0, result.output
    scores = {row["path"]: float(row["score"]) for row in rows(native / "calibration.csv")}
    assert len(scores) == 25
    options = ("--fpr", "0.1", "--output", tmp_path / "out")
    result = nsa("predict", native, tmp_path / "kept", *options)
    assert result.exit_code == 0, result.output
    for row in rows(tmp_path / "out" / "scores.csv"):
        assert float(row["raw_score"]) == pytest.approx(scores[row["path"]], rel=1e-5)


@pytest.mark.parametrize("options", [NATIVE, WHOLE])
def test_automatic_settings_choose_a_score_and_calibrate(
    options: tuple[str, ...], tmp_path: Path
) -> None:
    for index in range(50):
        write(tmp_path / "good" / f"{index}.png", product(index, False)[0])
    config = write_config(tmp_path / "options.yaml", images={}, kind="texture", epochs=1)
    run = tmp_path / "run"
    places = ("--normal-dir", tmp_path / "good", "--config", config, "--output", run)
    result = nsa("train", *places, *options)
    assert result.exit_code == 0, result.output
    assert "Image score: " in result.stderr
    assert "AUROC of 16 held-out images" in " ".join(result.stderr.split())
    kept = rows(run / "calibration.csv")
    assert len(kept) == 16
    result = nsa(
        "predict", run, tmp_path / "good", "--mask-fpr", "0.2", "--fpr", "0.2",
        "--output", tmp_path / "out",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    found = {row["path"]: row for row in rows(tmp_path / "out" / "scores.csv")}
    for row in kept:  # as they were judged when they were held out
        assert float(found[row["path"]]["raw_score"]) == pytest.approx(
            float(row["score"]), rel=1e-4
        )
    shown = found[kept[0]["path"]]
    mask = cv2.imread(str(tmp_path / "out" / shown["mask"]), cv2.IMREAD_GRAYSCALE)
    assert mask.shape == cv2.imread(kept[0]["path"], cv2.IMREAD_GRAYSCALE).shape
    assert (mask > 0).mean() == pytest.approx(float(shown["defect_share"]))
    # Nobody has chosen those images, so others may take their place.
    for index in range(19):
        write(tmp_path / "kept" / f"{index}.png", product(500 + index, False)[0])
    for count in (19, 18):
        result = nsa("calibrate", run, tmp_path / "kept")
        if count == 19:
            assert result.exit_code == 0, result.output
            assert len(rows(run / "calibration.csv")) == 19
            (tmp_path / "kept" / "0.png").unlink()
    assert "is calibrated already, by 19 images of which 1 are not" in sentence(result)


def test_its_file_takes_any_size(native: Path, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    result = nsa("export", native, "--output", tmp_path / "detector.pt2")
    assert result.exit_code == 0, result.output
    program = torch.export.load(tmp_path / "detector.pt2").module()
    detector = package.load(native, "cpu")
    for shape in ((90, 120), (64, 200)):
        images = torch.randint(256, (2, 3, *shape), dtype=torch.uint8)
        maps, scores = program(images)[:2]
        expected, whole = detector.predict(images)
        torch.testing.assert_close(maps, expected[:, 0], rtol=0, atol=1e-4)
        torch.testing.assert_close(scores.double(), whole.double(), rtol=1e-3, atol=1e-6)


def test_its_examples_are_crops(shapes: Path, tmp_path: Path) -> None:
    places = ("--data-root", shapes, "--output", tmp_path / "examples.png")
    result = nsa("synthesize", *places, *NATIVE)
    assert result.exit_code == 0, result.output
    assert (tmp_path / "examples.png").is_file()


def test_ensembles_are_of_stretched_images(native: Path, shapes: Path, tmp_path: Path) -> None:
    message = sentence(nsa("combine", native, native, "--output", tmp_path / "both"))
    assert "judges images in their own shape" in message
    message = sentence(
        nsa("train", "--data-root", shapes, "--method", "nsa+gaussian", *NATIVE,
            "--output", tmp_path / "joint")
    )  # fmt: skip
    assert "--size keeps images in their own shape" in message


def test_small_images_are_named(native: Path, tmp_path: Path) -> None:
    write(tmp_path / "in" / "large.png", product(1, False)[0])
    write(tmp_path / "in" / "small.png", np.zeros((20, 90, 3), np.uint8))
    message = sentence(nsa("predict", native, tmp_path / "in", "--output", tmp_path / "out"))
    assert "small.png is 90 x 20 px, and the detector needs at least 32 px on each" in message
    assert [Path(row["path"]).stem for row in rows(tmp_path / "out" / "scores.csv")] == ["large"]


def test_test_masks_of_another_size_are_found_before_the_training(tmp_path: Path) -> None:
    folder = tmp_path / "sheet"
    for kind, count in (("train/good", 3), ("test/good", 1), ("test/spot", 1)):
        for index in range(count):
            write(folder / kind / f"{index}.png", product(index, kind == "test/spot")[0])
    write(folder / "ground_truth" / "spot" / "0_mask.png", np.zeros((10, 10), np.uint8))
    message = sentence(
        nsa("train", "--data-root", tmp_path, *NATIVE, "--output", tmp_path / "run")
    )  # fmt: skip
    assert "0_mask.png is 10 x 10 pixels, but its image" in message
    write(folder / "test" / "good" / "0.png", np.zeros((31, 90, 3), np.uint8))
    message = sentence(
        nsa("train", "--data-root", tmp_path, *NATIVE, "--output", tmp_path / "run2")
    )  # fmt: skip
    assert "0.png is 90 x 31 px, and the detector needs at least 32 px on each" in message
    assert not (tmp_path / "run" / "model.safetensors").exists()
