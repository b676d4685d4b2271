"""What scores an image, chosen by training images that are held out: ``--image-score``."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import safetensors.torch
import torch
import yaml
from tiny import nsa, picture, rows, sentence, write_config, write_product

from nsa.detectors.network.detector import NetworkDetector
from nsa.detectors.network.image_score import MEAN, SCORES, read_score
from nsa.detectors.registry import load, open_run
from nsa.images import stack
from nsa.runs.copies import kept_training_contents


@pytest.fixture(scope="module")
def enough(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fifty training images."""
    return write_product(tmp_path_factory.mktemp("enough"), train=50, masks=False)


@pytest.fixture(scope="module")
def chosen(enough: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A run of automatic settings, and what its log said."""
    folder = tmp_path_factory.mktemp("chosen")
    config = write_config(folder / "options.yaml", epochs=1, batch_size=14)
    run = folder / "run"
    result = nsa("train", "--data-root", enough, "--config", config, "--output", run)
    assert result.exit_code == 0, result.output
    return run, " ".join(result.stderr.split())


def test_automatic_settings_hold_out_and_calibrate(chosen: tuple[Path, str], enough: Path) -> None:
    run, said = chosen
    assert yaml.safe_load((run / "config.yaml").read_text())["training"]["image_score"] == "auto"
    assert "16 of 50 training images are held out, to set the threshold by" in said
    assert "on 34 images" in said
    assert "Image score: " in said
    assert "of 16 held-out images against 256 with small synthetic anomalies" in said
    assert "16 of the held-out images chose this score and calibrate the run, too" in said
    held = {row["path"] for row in rows(run / "calibration.csv")}
    trained = kept_training_contents(open_run(run))
    assert trained is not None
    train = {str(path.resolve()) for path in (enough / "disc" / "train" / "good").iterdir()}
    assert held | set(trained.paths) == train
    assert not held & set(trained.paths)
    # Its own calibration serves at once.
    out = run.parent / "out"
    images = enough / "disc" / "test" / "good"
    command = ("predict", run, images, "--output", out, "--fpr", 0.2, "--mask-fpr", 0.2)
    assert nsa(*command).exit_code == 0
    found = rows(out / "scores.csv")
    assert {row["predicted"] for row in found} <= {"normal", "anomalous"}
    assert all((out / row["mask"]).is_file() for row in found)


def test_a_chosen_score_is_used_everywhere(
    chosen: tuple[Path, str], enough: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(chosen[0], run)
    tensors = safetensors.torch.load_file(run / "model.safetensors")
    images = stack([picture(seed)[0] for seed in range(3)], (72, 72))
    for score in SCORES[1:]:
        safetensors.torch.save_file(
            tensors, run / "model.safetensors", {"format": "pt"} | score.note
        )
        detector = load(run, "cpu")
        assert isinstance(detector, NetworkDetector)
        assert detector.image_score == score
        said = detector.score(images)
        assert torch.equal(said.scores, score(said.maps))
    out, onnx = tmp_path / "out", tmp_path / "detector.onnx"
    good = enough / "disc" / "test" / "good"
    assert nsa("predict", run, good, "--output", out, "--save-maps").exit_code == 0
    assert nsa("export", run, "--output", onnx).exit_code == 0
    found = onnxruntime.InferenceSession(onnx).run(None, {"images": images.numpy()})
    np.testing.assert_allclose(found[1], said.scores, rtol=1e-4)


def test_what_is_complete_keeps_its_choice_and_its_calibration(
    chosen: tuple[Path, str], normals: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(chosen[0], run)
    score, lines = read_score(run / "model.safetensors"), (run / "calibration.csv").read_text()
    # Lost by a kill between the weights and the metrics.
    (run / "calibration.csv").unlink()
    assert nsa("train", "--resume", run).exit_code == 0
    assert read_score(run / "model.safetensors") == score
    assert [row["path"] for row in rows(run / "calibration.csv")] == [
        line.split(",")[0] for line in lines.splitlines()[1:]
    ]
    # Of other images, which are strict.
    assert nsa("calibrate", run, normals, "--overwrite").exit_code == 0
    own = (run / "calibration.csv").read_text()
    assert own != lines
    assert nsa("train", "--resume", run).exit_code == 0
    assert (run / "calibration.csv").read_text() == own


@pytest.mark.parametrize(
    ("asked", "count", "holdout", "held"),
    [("top", 50, 0, 0), ("top", 30, None, 10), (None, 29, None, 0), (None, 35, 0.2, 7)],
)
def test_without_a_choice(
    enough: Path, tmp_path: Path, asked: str | None, count: int, holdout: float | None, held: int
) -> None:
    options: dict[str, Any] = {} if asked is None else {"image_score": asked}
    config = write_config(tmp_path / "options.yaml", epochs=1, batch_size=25, **options)
    images = tmp_path / "images"
    shutil.copytree(enough / "disc" / "train" / "good", images)
    for path in sorted(images.iterdir())[count:]:
        path.unlink()
    run = tmp_path / "run"
    more = () if holdout is None else ("--holdout", holdout)
    result = nsa("train", "--normal-dir", images, "--config", config, "--output", run, *more)
    assert result.exit_code == 0, result.output
    said = " ".join(result.stderr.split())
    assert f"on {count - held} images" in said
    calibrated = len(rows(run / "calibration.csv")) if held else 0
    assert (run / "calibration.csv").exists() == bool(held)
    assert calibrated == held
    assert read_score(run / "model.safetensors") == (SCORES[2] if asked == "top" else MEAN)
    written = yaml.safe_load((run / "config.yaml").read_text())["training"]
    assert written["image_score"] == (asked or "auto")
    assert written.get("holdout") == holdout
    assert ("since there are fewer than 30" in said) == (count < 30)
    assert ("another is chosen by held-out images only" in said) == (asked is None)


def test_held_out_copies_of_training_images_do_not_count(
    enough: Path, tmp_path: Path, chosen: tuple[Path, str]
) -> None:
    """Sixteen are held out, one of which is trained on under another name."""
    data = tmp_path / "data"
    shutil.copytree(enough, data)
    held = Path(rows(chosen[0] / "calibration.csv")[0]["path"]).name
    train = data / "disc" / "train" / "good"
    kept = kept_training_contents(open_run(chosen[0]))
    assert kept is not None
    shutil.copy(train / Path(kept.paths[0]).name, train / held)
    config = write_config(tmp_path / "options.yaml", epochs=1, batch_size=14)
    run = tmp_path / "run"
    result = nsa("train", "--data-root", data, "--config", config, "--output", run)
    assert result.exit_code == 0, result.output
    said = " ".join(result.stderr.split())
    assert "1 of 16 held-out images are copies of training images" in said
    assert "AUROC of 15 held-out images" in said
    assert len(rows(run / "calibration.csv")) == 15


def test_image_scores_that_cannot_be_are_refused(enough: Path, tmp_path: Path) -> None:
    def refused(*options: object) -> str:
        run = tmp_path / "run"
        message = sentence(nsa("train", "--data-root", enough, "--output", run, *options))
        assert not run.exists()
        return message

    assert "--holdout 0 holds none out; leave one of them out" in refused(
        "--image-score", "auto", "--holdout", 0
    )
    assert "image_score must be one of 'mean', 'top'" in refused("--image-score", "median")
    joint = ("--method", "nsa+gaussian", "--network", "resnet18", "--weights", "random")
    assert "held out of both; choose mean, top or maximum" in refused(
        *joint, "--image-score", "auto"
    )
