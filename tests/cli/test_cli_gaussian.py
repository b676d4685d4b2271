"""The Gaussian detector at the command line: training, evaluation, prediction."""

import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
import yaml
from tiny import GAUSSIAN, TABLES, nsa, picture, rows, sentence, write, write_product

from nsa.detectors.gaussian import storage
from nsa.detectors.gaussian.detector import FittedGaussian
from nsa.detectors.registry import load
from nsa.images import load_images, stack

# Of which two have a defect, at the size of the detector.
IMAGES = stack([np.ascontiguousarray(picture(600 + i, i > 2)[0]) for i in range(5)], (64, 72))


def scores(run: Path) -> str:
    return (run / "scores.csv").read_text()


def metrics_of(run: Path) -> dict[str, Any]:
    metrics: dict[str, Any] = json.loads((run / "metrics.json").read_text())
    return metrics


def test_training_writes_a_run_folder(gaussian_run: Path, more_data: Path) -> None:
    assert {entry.name for entry in gaussian_run.iterdir()} == {
        "config.yaml", "gaussian.safetensors", "gaussian.yaml", "metrics.json", "scores.csv",
        "examples.png", "calibration.csv", "calibration_pixels.safetensors",
        "training_images.safetensors", "held_out_images.safetensors",
    }  # fmt: skip
    written = yaml.safe_load((gaussian_run / "config.yaml").read_text())
    assert written["method"] == "gaussian"
    assert written["category"] == "disc"
    assert written["data_root"] == str(more_data)
    assert written["gaussian"]["network"] == "resnet18"
    assert written["gaussian"]["distribution"] == "full"


def test_metrics_have_the_keys_of_every_method(gaussian_run: Path) -> None:
    metrics = metrics_of(gaussian_run)
    for name in ("image_auroc", "image_average_precision", "image_f1_max"):
        assert 0 <= metrics[name] <= 1
    assert metrics["image_auroc"] > 0.8  # a defect of a fifth of the disc's width
    assert metrics["pixel_auroc"] > 0.8
    assert 0 < metrics["au_pro"] <= 1
    assert metrics["not_computed"] == {}
    assert metrics["paper_protocol"]["image_auroc"] == metrics["image_auroc"]
    assert metrics["test_images"] == {"normal": 3, "defective": 3, "masks": 3}
    assert metrics["times"]["training_seconds"] > 0
    assert metrics["times"]["images_per_second"] > 0
    assert metrics["configuration"]["method"] == "gaussian"
    assert "torch" in metrics["versions"]


def test_held_out_images_are_not_fitted(gaussian_run: Path, more_data: Path) -> None:
    held = [row["path"] for row in rows(gaussian_run / "calibration.csv")]
    train = sorted((more_data / "disc" / "train" / "good").iterdir())
    assert set(held) < {str(path.resolve()) for path in train}
    kept = [path for path in train if str(path.resolve()) not in held]
    detector = storage.load(gaussian_run)
    assert detector.extractor is not None
    means = [level.mean(0) for level in detector.extractor(load_images(kept, (64, 72)))]
    for level, mean in zip(detector.levels, means, strict=True):
        torch.testing.assert_close(level.mean, mean.double(), rtol=1e-4, atol=1e-5)


def test_a_runs_configuration_repeats_it(gaussian_run: Path, tmp_path: Path) -> None:
    result = nsa("train", "--config", gaussian_run / "config.yaml", "--output", tmp_path / "again")
    assert result.exit_code == 0, result.output
    assert (gaussian_run / "scores.csv").read_text() == (
        tmp_path / "again" / "scores.csv"
    ).read_text()


def test_evaluate_repeats_the_runs_own_figures(gaussian_run: Path, tmp_path: Path) -> None:
    result = nsa("evaluate", gaussian_run, "--device", "cpu", "--output", tmp_path / "judged")
    assert result.exit_code == 0, result.output
    assert "False positive rate 0.2" in result.stderr
    first, second = (metrics_of(folder) for folder in (gaussian_run, tmp_path / "judged"))
    for name in ("image_auroc", "working_point", "not_computed"):
        assert first[name] == second[name]
    assert first["times"]["training_seconds"] == second["times"]["training_seconds"]
    assert (gaussian_run / "scores.csv").read_text() == (
        tmp_path / "judged" / "scores.csv"
    ).read_text()


def test_predict_writes_scores_labels_and_heat_maps(
    gaussian_run: Path, more_data: Path, tmp_path: Path
) -> None:
    folder = more_data / "disc" / "test" / "spot"
    result = nsa(
        "predict", gaussian_run, folder, "--output", tmp_path / "out", "--device", "cpu",
        "--save-maps",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    stems = [path.stem for path in folder.iterdir()]
    assert {entry.name for entry in (tmp_path / "out").iterdir()} == {
        *TABLES, *(f"{stem}.png" for stem in stems), *(f"{stem}.npy" for stem in stems)
    }  # fmt: skip
    for path in folder.iterdir():  # at the image's own resolution, highest at the defect
        heat_map = np.load(tmp_path / "out" / f"{path.stem}.npy")
        mask = cv2.imread(
            str(more_data / "disc" / "ground_truth" / "spot" / f"{path.stem}_mask.png"), 0
        )
        assert heat_map.shape == mask.shape == (80, 80)
        assert heat_map[mask > 0].mean() > 1.5 * heat_map[mask == 0].mean()
    judged = {row["path"]: float(row["raw_score"]) for row in rows(gaussian_run / "scores.csv")}
    threshold = json.loads((gaussian_run / "metrics.json").read_text())["working_point"][
        "threshold"
    ]
    found = rows(tmp_path / "out" / "scores.csv")
    assert len(found) == 3
    for row in found:
        assert float(row["raw_score"]) == pytest.approx(judged[row["path"]], rel=1e-4)
        expected = "anomalous" if float(row["raw_score"]) > threshold else "normal"
        assert row["predicted"] == expected
        assert (float(row["score"]) >= 0.8) == (expected == "anomalous")


def test_the_demo_set_serves_the_gaussian_detector(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def draw(root: Path, category: str, *, progress: bool) -> Path:
        assert not progress  # there is no terminal
        return (write_product(root) / "disc").rename(root / category)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("nsa.runs.demo.demo.write", draw)
    result = nsa("train", *GAUSSIAN, "--distribution", "l2")
    assert result.exit_code == 0, result.output
    (run,) = (tmp_path / "runs").glob("fabric-*")
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["configuration"]["gaussian"]["distribution"] == "l2"
    # As where a run goes on.
    assert all(Path(row["path"]).is_absolute() for row in rows(run / "scores.csv"))
    assert "working_point" not in metrics


def test_a_network_runs_encoder_gives_the_features(
    network_run: Path, more_data: Path, small_gaussian: Path, tmp_path: Path
) -> None:
    result = nsa(
        "train", "--method", "gaussian", "--weights", network_run, "--data-root", more_data,
        "--config", small_gaussian, "--output", tmp_path / "run", "--distribution", "npca1",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    section = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())["gaussian"]
    assert section["network"] == "resnet18"
    assert section["weights"] == str(network_run)


@pytest.mark.parametrize("score", ["levels", "map"])
def test_what_scores_an_image(score: str, gaussian_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    options = ("--config", gaussian_run / "config.yaml", "--output", run, "--score", score)
    result = nsa("train", *options, "--alignment", "unaligned")
    assert result.exit_code == 0, result.output
    assert "one Gaussian for all: as asked" in result.stderr
    detector = load(run, "cpu")
    assert isinstance(detector, FittedGaussian)
    levels = detector.gaussian.score(IMAGES)
    found = detector.score(IMAGES).scores
    assert torch.equal(found, levels) == (score == "levels")
    if score == "map":  # of 72 positions the highest
        _, positions = detector.extractor.see(IMAGES, detector.heat_map.grid)
        highest = detector.heat_map.distances(positions).flatten(1).amax(1)
        torch.testing.assert_close(found, highest.double(), rtol=1e-5, atol=0)


def test_grey_images_are_taken_in_one_channel(tmp_path: Path, small_gaussian: Path) -> None:
    for number in range(5):
        grey = picture(number)[0].mean(2).astype(np.uint8)
        write(tmp_path / "images" / f"{number}.png", grey)
    result = nsa(
        "train", *GAUSSIAN, "--normal-dir", tmp_path / "images", "--config", small_gaussian,
        "--output", tmp_path / "run",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "All images are grey" in result.stderr
    assert (
        yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())["gaussian"]["channels"] == 1
    )
    detector = load(tmp_path / "run", "cpu")
    assert detector.channels == 1
    grey = IMAGES[:, :1]
    maps, scores = detector.predict(grey)
    detector.channels = 3
    judged, colour = detector.predict(grey.expand(-1, 3, -1, -1))
    torch.testing.assert_close(scores, colour)
    torch.testing.assert_close(maps, judged)


def test_augmented_copies_change_the_fit_reproducibly(gaussian_run: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        arguments = (
            "--config",
            gaussian_run / "config.yaml",
            "--output",
            tmp_path / name,
            "--augment",
            3,
        )
        assert nsa("train", *arguments).exit_code == 0
    one, two, plain = (
        (folder / "calibration.csv").read_text()
        for folder in (tmp_path / "one", tmp_path / "two", gaussian_run)
    )
    assert one == two
    assert [line.split(",")[0] for line in one.split()] == [
        line.split(",")[0] for line in plain.split()
    ]
    assert one != plain


@pytest.mark.parametrize("left", [(), ("gaussian.safetensors",), ("gaussian.yaml", "scores.csv")])
def test_a_fit_that_was_killed_starts_again_by_resume(
    left: tuple[str, ...], gaussian_run: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    for name in ("config.yaml", *left):
        shutil.copy(gaussian_run / name, run)
    (run / ".gaussian.yaml.nsa-tmp").touch()
    if "gaussian.yaml" not in left:
        assert "is unfinished; nsa train --resume" in sentence(nsa("evaluate", run))
    again = nsa("train", "--config", run / "config.yaml", "--output", run)
    assert f"--resume {run} to continue that run" in sentence(again)
    assert nsa("train", "--resume", run).exit_code == 0
    assert {entry.name for entry in run.iterdir()} == {
        entry.name for entry in gaussian_run.iterdir()
    }
    for name in ("gaussian.safetensors", "gaussian.yaml", "calibration.csv", "config.yaml"):
        assert (run / name).read_bytes() == (gaussian_run / name).read_bytes()
    assert scores(run) == scores(gaussian_run)
    assert metrics_of(run)["working_point"] == metrics_of(gaussian_run)["working_point"]


def test_a_finished_fit_is_only_evaluated(gaussian_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(gaussian_run, run)
    (run / "examples.png").unlink()
    fitted = (run / "gaussian.safetensors").stat().st_mtime_ns
    result = nsa("train", "--resume", run)
    assert result.exit_code == 0, result.output
    assert (run / "gaussian.safetensors").stat().st_mtime_ns == fitted
    assert (run / "examples.png").is_file()
    assert scores(run) == scores(gaussian_run)
    first, second = metrics_of(gaussian_run), metrics_of(run)
    assert first["times"]["training_seconds"] == second["times"]["training_seconds"]
    assert first["working_point"] == second["working_point"]
