"""12-bit images on the command line: one range from training to prediction, for every method."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
import yaml
from tiny import nsa, picture, rows, sentence, train_gaussian, write, write_config

import nsa as package
from nsa.detectors.network.fit import NetworkFitting
from nsa.detectors.network.settings import NetworkSettings
from nsa.images import Contents, full_size, load_images
from nsa.images import load as load_module
from nsa.training.distributed import ALONE

Levels = tuple[int, int]


def twelve_bits(seed: int, defect: bool = False) -> npt.NDArray[np.uint16]:
    """The tiny product as a 12-bit camera would see it, with some of its noise: 240 to 2,400."""
    image = picture(seed, defect)[0].astype(np.uint16)
    return (image * 8 + np.random.default_rng(seed).integers(0, 8, image.shape)).astype(np.uint16)


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("deep")
    for index in range(9):
        write(root / "disc" / "train" / "good" / f"{index}.png", twelve_bits(index))
    for index in range(2):
        write(root / "disc" / "test" / "good" / f"{index}.png", twelve_bits(100 + index))
        write(root / "disc" / "test" / "spot" / f"{index}.png", twelve_bits(200 + index, True))
        write(root / "disc" / "ground_truth" / "spot" / f"{index}.png", picture(200, True)[1])
    # A picture of the training again, in another kind of file.
    write(root / "disc" / "test" / "good" / "copy.tif", twelve_bits(3))
    for index in range(12):
        write(root / "kept" / f"{index}.png", twelve_bits(300 + index))
    write(root / "again" / "4.tif", twelve_bits(4))
    return root


@pytest.fixture(scope="module")
def run(product: Path) -> Path:
    config = write_config(product / "settings.yaml", epochs=1)
    output = product / "run"
    result = nsa("train", "--data-root", product, "--category", "disc",
                 "--config", config, "--output", output)  # fmt: skip
    assert result.exit_code == 0, result.output
    (product / "said.txt").write_text(result.stderr)
    return output


def kept(run: Path, section: str = "images") -> Levels:
    low, high = yaml.safe_load((run / "config.yaml").read_text())[section]["levels"]
    return low, high


def test_the_range_is_found_said_and_kept(run: Path, product: Path) -> None:
    low, high = kept(run)
    every = np.stack([twelve_bits(index) for index in range(9)])
    assert 0 <= low <= every.min() + 20
    assert every.max() - 20 <= high < 1.15 * every.max()
    said = " ".join((product / "said.txt").read_text().split())
    assert f"values from {low} to {high} (of 9 images)" in said
    assert "12 bits" not in said
    # What the images hold was noted of the very pixels that were trained on.
    paths = [product / "disc" / "train" / "good" / f"{index}.png" for index in range(9)]
    contents = Contents(paths)
    images = load_images(paths, (72, 72), 3, progress=False, contents=contents, levels=(low, high))
    assert Contents.read(run / "training_images.safetensors").names() == contents.names()
    assert images.max() > 200  # they fill the range, where the fixed scale leaves 9 of 255
    assert "1 normal and 0 defective test images are copies" in said


def test_every_command_reads_by_it(
    run: Path, product: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    levels, seen = kept(run), []
    decode = load_module.decode

    def watched(path: Path, channels: int, given: Levels | None = None) -> Any:
        seen.append(given)
        return decode(path, channels, given)

    monkeypatch.setattr(load_module, "decode", watched)
    monkeypatch.setattr(full_size, "decode", watched)
    for command in (
        ("calibrate", run, product / "kept"),
        ("evaluate", run, "--output", tmp_path / "evaluated"),
        ("synthesize", "--data-root", product, "--category", "disc", "--config",
         product / "settings.yaml", "--output", tmp_path / "some.png", "--count", 2),
    ):  # fmt: skip
        result = nsa(*command)
        assert result.exit_code == 0, result.output
        assert seen, command
        assert set(seen) == {levels}, command
        seen.clear()
    # So the score of a test image is that of its prediction.
    result = nsa("predict", run, product / "disc" / "test" / "spot", "--output", tmp_path / "new")
    assert result.exit_code == 0, result.output
    said = {
        Path(row["path"]).name: float(row["raw_score"]) for row in rows(tmp_path / "new/scores.csv")
    }
    of_test = {
        Path(row["path"]).name: float(row["raw_score"])
        for row in rows(run / "scores.csv") if row["defect"] == "spot"
    }  # fmt: skip
    assert said == pytest.approx(of_test, rel=1e-5)
    assert package.load(run).levels == levels


def test_copies_of_training_images_cannot_calibrate(run: Path, product: Path) -> None:
    assert "training images or copies" in sentence(
        nsa("calibrate", run, product / "again", "--overwrite")
    )


def test_a_resumed_run_keeps_its_range(run: Path, tmp_path: Path) -> None:
    begun = tmp_path / "run"
    shutil.copytree(run, begun)
    (begun / "metrics.json").unlink()
    config = yaml.safe_load((begun / "config.yaml").read_text())
    config["images"]["levels"] = [1, 3000]  # others than the images would give
    (begun / "config.yaml").write_text(yaml.safe_dump(config))
    result = nsa("train", "--resume", begun)
    assert result.exit_code == 0, result.output
    assert kept(begun) == (1, 3000)
    assert package.load(begun).levels == (1, 3000)


def test_a_range_that_is_asked_for_is_taken(product: Path, tmp_path: Path) -> None:
    images = yaml.safe_load((product / "settings.yaml").read_text())["images"]
    for asked, written in (([0, 4095], [0, 4095]), (None, None)):
        config = write_config(tmp_path / "a.yaml", epochs=1, images={**images, "levels": asked})
        output = tmp_path / f"run-{asked is None}"
        result = nsa("train", "--normal-dir", product / "disc/train/good", "--config", config,
                     "--output", output)  # fmt: skip
        assert result.exit_code == 0, result.output
        found = yaml.safe_load((output / "config.yaml").read_text())["images"]
        assert found.get("levels") == written
        assert ("levels" in found) == (written is not None)
    config = write_config(tmp_path / "b.yaml", images={**images, "levels": [9, 3]})
    result = nsa("train", "--normal-dir", product / "disc/train/good", "--config", config,
                 "--output", tmp_path / "none")  # fmt: skip
    assert "0 <= low < high <= 65535" in sentence(result)


def test_crops_of_full_size_images_are_read_by_it(product: Path, tmp_path: Path) -> None:
    config = write_config(tmp_path / "a.yaml", epochs=1, images={})
    result = nsa("train", "--data-root", product, "--category", "disc", "--config", config,
                 "--size", "native", "--crop", 64, "--output", tmp_path / "run")  # fmt: skip
    assert result.exit_code == 0, result.output
    low, high = kept(tmp_path / "run")
    trained = Contents.read(tmp_path / "run" / "training_images.safetensors")
    contents = Contents(trained.paths)
    load_images(trained.paths, (16, 16), 3, False, False, contents, levels=(low, high))
    assert trained.names() == contents.names()


def test_eight_bits_in_sixteen_train_as_well(tmp_path: Path) -> None:
    for index in range(4):
        write(tmp_path / "good" / f"{index}.png", picture(index)[0].astype(np.uint16))
    config = write_config(tmp_path / "a.yaml", epochs=1, kind=None, images={"crop": [64, 64]})
    result = nsa("train", "--normal-dir", tmp_path / "good", "--config", config,
                 "--output", tmp_path / "run")  # fmt: skip
    assert result.exit_code == 0, result.output
    low, high = kept(tmp_path / "run")
    assert 255 <= high - low <= 300


def test_ranks_are_told_the_range(run: Path) -> None:
    settings = package.load(run).settings  # type: ignore[attr-defined]
    assert NetworkSettings.from_dict(settings.to_dict()).images.levels == kept(run)
    fitting = NetworkFitting(settings, torch.device("cpu"), "fp32", ALONE, False)
    assert fitting.levels == kept(run)
    plain = dataclasses.replace(settings, images=dataclasses.replace(settings.images, levels=None))
    assert "levels" not in plain.to_dict()["images"]


def test_the_gaussian_detector_keeps_it(product: Path, tmp_path: Path) -> None:
    config = tmp_path / "a.yaml"
    config.write_text(yaml.safe_dump({"gaussian": {"size": [64, 64]}}))
    output = tmp_path / "run"
    result = train_gaussian(product, config, output, "--category", "disc")
    assert result.exit_code == 0, result.output
    detector = package.load(output)
    assert detector.levels == kept(output, "gaussian")
    trained = Contents.read(output / "training_images.safetensors")
    contents = Contents(trained.paths)
    load_images(
        trained.paths, (16, 16), detector.channels, False, False, contents, levels=detector.levels
    )
    assert trained.names() == contents.names()
    assert nsa("train", "--resume", output).exit_code == 0


def test_members_have_one_range(run: Path, product: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(run, other)
    config = yaml.safe_load((other / "config.yaml").read_text())
    config["images"]["levels"] = [1, 3000]
    (other / "config.yaml").write_text(yaml.safe_dump(config))
    result = nsa("combine", run, other, "--normals", product / "kept", "--output", tmp_path / "two")
    said = sentence(result)
    assert "by {} to {}".format(*kept(run)) in said
    assert "by 1 to 3000; train them with the same 'levels'" in said


def test_both_parts_of_a_joint_training_have_one_range(product: Path, tmp_path: Path) -> None:
    for index in range(12):
        shutil.copy(product / "kept" / f"{index}.png", tmp_path / f"{index}.png")
    config = write_config(
        tmp_path / "a.yaml", epochs=1, gaussian={"network": "resnet18", "weights": "random"}
    )
    output = tmp_path / "run"
    result = nsa("train", "--method", "nsa+gaussian", "--normal-dir", tmp_path, "--config", config,
                 "--holdout", 0.84, "--output", output)  # fmt: skip
    assert result.exit_code == 0, result.output
    levels = kept(output)
    assert kept(output / "members" / "02-nsa") == levels
    assert kept(output / "members" / "01-gaussian", "gaussian") == levels
    assert package.load(output).levels == levels
    assert nsa("train", "--resume", output).exit_code == 0
