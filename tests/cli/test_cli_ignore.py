"""``--ignore``: what is under a mask decides nothing, from the training to the last picture."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from tiny import nsa, picture, rows, sentence, train_gaussian, write

from nsa.detectors.registry import load
from nsa.folder import CALIBRATED_IGNORED, IGNORED
from nsa.system.readers import read_yaml

Pixels = npt.NDArray[np.uint8]
BOX = slice(0, 30), slice(30, 80)  # over part of the disc, and its background


def box() -> Pixels:
    mask = np.zeros((80, 80), np.uint8)
    mask[BOX] = 255
    return mask


@pytest.fixture(scope="module")
def mask(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("mask") / "clamp.png"
    write(path, box())
    return path


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two folders of two images each, which differ under the mask alone."""
    folder = tmp_path_factory.mktemp("images")
    random = np.random.default_rng(0)
    for index in range(2):
        image = picture(700 + index)[0]
        write(folder / "one" / f"{index}.png", image)
        image[BOX] = random.integers(0, 256, image[BOX].shape)
        write(folder / "other" / f"{index}.png", image)
    return folder


@pytest.fixture(scope="module")
def blind_run(
    more_data: Path, one_epoch: Path, mask: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A finished run of NSA that ignores the mask, which is gone since."""
    folder = tmp_path_factory.mktemp("blind") / "disc"
    own = tmp_path_factory.mktemp("own") / "clamp.png"
    shutil.copy(mask, own)
    given = ("--config", one_epoch, "--ignore", own, "--output", folder)
    result = nsa("train", "--data-root", more_data, *given)
    assert result.exit_code == 0, result.output
    own.unlink()
    return folder


def predicted(run: Path, images: Path, output: Path, *more: object) -> list[list[object]]:
    """Scores and maps, by folder."""
    found: list[list[object]] = []
    for name in ("one", "other"):
        target = output / name
        result = nsa("predict", run, images / name, "--output", target, "--save-maps", *more)
        assert result.exit_code == 0, result.output
        lines = rows(target / "scores.csv")
        assert len(lines) == 2
        found.append([(line["score"], np.load(target / line["map"]).tolist()) for line in lines])
    return found


def test_a_run_keeps_its_mask_and_is_blind(blind_run: Path, images: Path, tmp_path: Path) -> None:
    kept = cv2.imread(str(blind_run / IGNORED), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(kept, box())
    assert read_yaml(blind_run / "config.yaml")["ignore"].endswith("clamp.png")
    one, other = predicted(blind_run, images, tmp_path)
    assert one == other
    anomaly_map = np.array(one[0][1])  # type: ignore[index]
    assert (anomaly_map[BOX] == 0).all()
    assert anomaly_map.max() > 0


def test_a_run_without_a_mask_says_nothing_of_it(network_run: Path) -> None:
    assert "ignore" not in read_yaml(network_run / "config.yaml")
    assert not list(network_run.glob("*ignore*"))


def test_what_is_under_the_mask_is_not_evaluated(
    blind_run: Path, more_data: Path, tmp_path: Path
) -> None:
    result = nsa("evaluate", blind_run, "--output", tmp_path / "own")
    assert result.exit_code == 0, result.output
    moved = Path(shutil.copytree(more_data, tmp_path / "data")) / "disc"
    for path in (moved / "test").glob("*/*.png"):  # defects there, and in their masks
        image = cv2.imread(str(path))
        image[BOX] = 0
        write(path, image)
    for path in (moved / "ground_truth").glob("*/*.png"):
        write(path, cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) | box())
    result = nsa(
        "evaluate", blind_run, "--data-root", tmp_path / "data", "--output", tmp_path / "changed"
    )
    assert result.exit_code == 0, result.output
    one, other = (
        [[line["score"] for line in rows(tmp_path / name / "scores.csv")], read_metrics(path)]
        for name, path in (("own", tmp_path / "own"), ("changed", tmp_path / "changed"))
    )
    assert one == other


def read_metrics(folder: Path) -> dict[str, object]:
    values = json.loads((folder / "metrics.json").read_text())
    return {name: value for name, value in values.items() if name.startswith(("pixel", "au_pro"))}


def test_a_calibration_keeps_its_mask(
    network_run: Path, mask: Path, normals: Path, images: Path, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(network_run, tmp_path / "run"))
    result = nsa("calibrate", run, normals, "--ignore", mask)
    assert result.exit_code == 0, result.output
    assert "is not ignored by the run itself" in result.stderr
    assert (run / CALIBRATED_IGNORED).is_file()
    one, other = predicted(run, images, tmp_path / "kept", "--fpr", 0.1)
    assert one == other
    again = nsa("calibrate", run, normals, "--overwrite")
    assert again.exit_code == 0, again.output
    assert not (run / CALIBRATED_IGNORED).exists()
    assert load(run, "cpu").ignored is None
    one, other = predicted(run, images, tmp_path / "forgotten")
    assert one != other
    asked = predicted(run, images, tmp_path / "asked", "--ignore", mask)
    assert asked[0] == asked[1]


def test_masks_of_single_images(
    more_data: Path, small_gaussian: Path, images: Path, tmp_path: Path
) -> None:
    masks = tmp_path / "masks"
    for index in range(20):
        write(masks / "train" / "good" / f"{index}.png", box())
    run = tmp_path / "run"
    result = train_gaussian(
        more_data, small_gaussian, run, "--ignore", masks, "--fpr", 0.2, "--holdout", 0.25
    )
    assert result.exit_code == 0, result.output
    assert f"6 of 26 images have no mask in {masks}" in result.stderr
    assert not (run / IGNORED).exists()
    assert read_yaml(run / "config.yaml")["ignore"] == str(masks)
    one, other = predicted(run, images, tmp_path / "all")
    assert one != other
    for index in range(2):
        write(tmp_path / "new" / f"{index}_mask.png", box())
    one, other = predicted(run, images, tmp_path / "own", "--ignore", tmp_path / "new")
    assert one == other
    message = sentence(
        nsa("predict", run, images / "one", "--output", tmp_path / "x", "--ignore", masks)
    )
    assert "holds no mask for any of 2 images" in message
    assert not (tmp_path / "x").exists()
    resumed = nsa("train", "--resume", run)
    assert resumed.exit_code == 0, resumed.output
    moved = masks.rename(tmp_path / "moved")
    assert str(masks) in sentence(nsa("train", "--resume", run))
    resumed = nsa("train", "--resume", run, "--ignore", moved)
    assert resumed.exit_code == 0, resumed.output


def test_both_parts_of_a_joint_training_are_blind(
    more_data: Path, one_epoch: Path, mask: Path, images: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    result = nsa(
        "train", "--method", "nsa+gaussian", "--network", "resnet18", "--weights", "random",
        "--holdout", 0.5, "--data-root", more_data, "--config", one_epoch, "--ignore", mask,
        "--output", run,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    for folder in (run, *(run / "members").iterdir()):
        kept = cv2.imread(str(folder / IGNORED), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(kept, box())
    one, other = predicted(run, images, tmp_path / "out")
    assert one == other


def test_a_training_goes_on_with_its_mask(
    more_data: Path,
    one_epoch: Path,
    mask: Path,
    blind_run: Path,
    tmp_path: Path,
    stop_after: Callable[[int], None],
) -> None:
    run, own = tmp_path / "run", tmp_path / "own.png"
    shutil.copy(mask, own)
    stop_after(2)
    given = ("--config", one_epoch, "--ignore", own, "--output", run)
    assert nsa("train", "--data-root", more_data, *given).exit_code != 0
    assert (run / "checkpoint.safetensors").is_file()
    own.unlink()
    stop_after(10**9)
    other = tmp_path / "other.png"
    write(other, box().T)
    message = sentence(nsa("train", "--resume", run, "--ignore", other))
    assert "--ignore cannot change in a run that has begun" in message
    result = nsa("train", "--resume", run)
    assert result.exit_code == 0, result.output
    weights = [(path / "model.safetensors").read_bytes() for path in (run, blind_run)]
    assert weights[0] == weights[1]


def test_masks_that_do_not_fit(
    more_data: Path, one_epoch: Path, network_run: Path, images: Path, tmp_path: Path
) -> None:
    small, full = tmp_path / "small.png", tmp_path / "full.png"
    write(small, box()[:70])
    write(full, box() | 255)
    (tmp_path / "empty").mkdir()
    train = ("train", "--data-root", more_data, "--config", one_epoch, "--output", tmp_path / "run")
    for ignore, trained, judged in (
        (small, "small.png is 80 x 70 pixels, but its image", "80 x 80 pixels, but the mask"),
        (full, "full.png marks all of its image", "full.png marks all of its image"),
        (tmp_path / "empty", "holds no mask for any of", "holds no mask for any of 2 images"),
        (tmp_path / "gone.png", "There is no mask", "There is no mask"),
    ):
        assert trained in sentence(nsa(*train, "--ignore", ignore))
        assert not (tmp_path / "run" / "config.yaml").exists()
        out = tmp_path / f"out of {ignore.stem}"
        predict = ("predict", network_run, images / "one", "--output", out)
        assert judged in sentence(nsa(*predict, "--ignore", ignore))
        assert not list(out.glob("*_map*"))


@pytest.mark.parametrize("sizes", [("--size", "native", "--crop", 48), ("--size", 64)])
def test_images_in_their_own_shape(
    sizes: tuple[object, ...], data: Path, mask: Path, images: Path, tmp_path: Path
) -> None:
    config = tmp_path / "options.yaml"
    options = {"kind": "object", "epochs": 1, "batch_size": 4, "device": "cpu"}
    config.write_text(json.dumps({**options, "synthesis": {"background": 220}}))
    run = tmp_path / "run"
    given = ("--data-root", data, "--config", config, "--ignore", mask, "--output", run, *sizes)
    result = nsa("train", *given)
    assert result.exit_code == 0, result.output
    one, other = predicted(run, images, tmp_path / "out")
    assert one == other
    assert (np.array(one[0][1])[BOX] == 0).all()  # type: ignore[index]
    assert nsa("evaluate", run).exit_code == 0


def test_what_is_ignored_lies_below_a_veil(blind_run: Path, images: Path, tmp_path: Path) -> None:
    result = nsa("predict", blind_run, images / "one", "--output", tmp_path / "out")
    assert result.exit_code == 0, result.output
    for row in rows(tmp_path / "out" / "scores.csv"):
        before, drawn = cv2.imread(row["path"]), cv2.imread(str(tmp_path / "out" / row["picture"]))
        veiled = before[BOX].astype(int) // 4 + 95  # maps are normal there, so nothing is coloured
        np.testing.assert_array_equal(drawn[:80][BOX], veiled)
        rest = np.ones((80, 80), bool)
        rest[BOX] = False
        assert (drawn[:80][rest] != before[rest].astype(int) // 4 + 95).mean() > 0.9
