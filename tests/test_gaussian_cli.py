"""The Gaussian detector from training to labels at the command line, on tiny images."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from tiny import nsa, picture, sentence, write, write_config, write_product

from nsa.gaussian import GaussianDetector, chi_square_threshold
from nsa.images import load_images

SMALL = ("--method", "gaussian", "--network", "resnet18", "--weights", "random", "--device", "cpu")


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Any:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_product(tmp_path_factory.mktemp("data"), train=20)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small images, for a quick network."""
    path = tmp_path_factory.mktemp("config") / "options.yaml"
    path.write_text(yaml.safe_dump({"gaussian": {"size": [64, 72]}}))
    return path


@pytest.fixture(scope="module")
def run(data: Path, config: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with a quarter of the images held out."""
    folder = tmp_path_factory.mktemp("runs") / "disc"
    result = nsa(
        "train", *SMALL, "--data-root", data, "--config", config, "--output", folder,
        "--fpr", 0.2, "--holdout", 0.25,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "image AUROC" in result.stdout
    assert "the Gaussian detector gives no pixel map" in result.stdout
    assert "random weights" in result.stderr
    assert str(folder) in result.stderr
    return folder


@pytest.fixture(scope="module")
def normals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Normal images that nothing was trained on."""
    folder = tmp_path_factory.mktemp("normals")
    for index in range(19):
        write(folder / f"{index}.png", picture(500 + index)[0])
    return folder


def rows(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def test_training_writes_a_run_folder(run: Path, data: Path) -> None:
    assert {entry.name for entry in run.iterdir()} - {".lock"} == {
        "config.yaml", "gaussian.safetensors", "gaussian.yaml", "metrics.json", "scores.csv",
        "examples.png", "calibration.csv",
    }  # fmt: skip
    written = yaml.safe_load((run / "config.yaml").read_text())
    assert written["method"] == "gaussian"
    assert written["category"] == "disc"
    assert written["data_root"] == str(data)
    assert written["gaussian"]["network"] == "resnet18"
    assert written["gaussian"]["distribution"] == "full"


def test_metrics_have_the_keys_of_every_method(run: Path) -> None:
    metrics = json.loads((run / "metrics.json").read_text())
    for name in ("image_auroc", "image_average_precision", "image_f1_max"):
        assert 0 <= metrics[name] <= 1
    assert metrics["image_auroc"] > 0.8  # a defect of a fifth of the disc's width
    for name in ("pixel_auroc", "au_pro", "pixel_average_precision"):
        assert metrics[name] is None
        assert metrics["not_computed"][name] == "the Gaussian detector gives no pixel map"
    assert metrics["whole_image"]["image_auroc"] == metrics["image_auroc"]
    assert metrics["test_images"] == {"normal": 3, "defective": 3, "masks": 3}
    assert metrics["times"]["training_seconds"] > 0
    assert metrics["times"]["images_per_second"] > 0
    assert metrics["configuration"]["method"] == "gaussian"
    assert "torch" in metrics["versions"]


def test_the_working_point_is_reported_for_the_sum_and_every_level(run: Path) -> None:
    point = json.loads((run / "metrics.json").read_text())["working_point"]
    held = sorted(float(row["score"]) for row in rows(run / "calibration.csv"))
    assert point["fpr"] == 0.2
    assert point["held_out_images"] == len(held) == 5
    assert point["smallest_fpr"] == pytest.approx(1 / 6)
    assert point["threshold"] == held[-1]  # floor(0.2 * 6) = 1 may lie at or above
    scores = rows(run / "scores.csv")
    above = [float(row["score"]) > point["threshold"] for row in scores]
    assert point["test_fpr"] == pytest.approx(np.mean(above[:3]))
    assert point["test_tpr"] == pytest.approx(np.mean(above[3:]))
    calibration = GaussianDetector.load(run).calibration
    assert calibration is not None
    assert sorted(calibration.sum(1).tolist()) == held
    assert [level["dimensions"] for level in point["levels"]] == [64, 64, 128, 256, 512]
    for level in point["levels"]:
        assert level["threshold"] == pytest.approx(chi_square_threshold(0.2, level["dimensions"]))
        distances = calibration[:, level["level"] - 1].numpy()
        assert level["held_out_fpr"] == pytest.approx(np.mean(distances > level["threshold"]))


def test_held_out_images_are_not_fitted(run: Path, data: Path) -> None:
    held = [row["path"] for row in rows(run / "calibration.csv")]
    train = sorted((data / "disc" / "train" / "good").iterdir())
    assert set(held) < {str(path.resolve()) for path in train}
    kept = [path for path in train if str(path.resolve()) not in held]
    detector = GaussianDetector.load(run)
    assert detector.extractor is not None
    means = [level.mean(0) for level in detector.extractor(load_images(kept, (64, 72)))]
    for level, mean in zip(detector.levels, means, strict=True):
        torch.testing.assert_close(level.mean, mean.double(), rtol=1e-4, atol=1e-5)


def test_a_runs_configuration_repeats_it(run: Path, tmp_path: Path) -> None:
    result = nsa("train", "--config", run / "config.yaml", "--output", tmp_path / "again")
    assert result.exit_code == 0, result.output
    assert (run / "scores.csv").read_text() == (tmp_path / "again" / "scores.csv").read_text()


def test_evaluate_repeats_the_runs_own_figures(run: Path, tmp_path: Path) -> None:
    result = nsa("evaluate", run, "--device", "cpu", "--output", tmp_path / "judged")
    assert result.exit_code == 0, result.output
    assert "False positive rate 0.2" in result.stderr
    first, second = (
        json.loads((folder / "metrics.json").read_text()) for folder in (run, tmp_path / "judged")
    )
    for name in ("image_auroc", "working_point", "not_computed"):
        assert first[name] == second[name]
    assert first["times"]["training_seconds"] == second["times"]["training_seconds"]
    assert (run / "scores.csv").read_text() == (tmp_path / "judged" / "scores.csv").read_text()


def test_predict_writes_scores_and_labels_only(run: Path, data: Path, tmp_path: Path) -> None:
    folder = data / "disc" / "test" / "spot"
    result = nsa("predict", run, folder, "--output", tmp_path / "out", "--device", "cpu")
    assert result.exit_code == 0, result.output
    assert result.stderr.count("the Gaussian detector gives no pixel map") == 1
    assert {entry.name for entry in (tmp_path / "out").iterdir()} == {"scores.csv"}
    judged = {row["path"]: float(row["score"]) for row in rows(run / "scores.csv")}
    threshold = json.loads((run / "metrics.json").read_text())["working_point"]["threshold"]
    found = rows(tmp_path / "out" / "scores.csv")
    assert len(found) == 3
    for row in found:
        assert float(row["score"]) == pytest.approx(judged[row["path"]], rel=1e-4)
        expected = "anomalous" if float(row["score"]) > threshold else "normal"
        assert row["label"] == expected
        assert (float(row["p_value"]) <= 0.2) == (expected == "anomalous")


def test_the_demo_set_serves_the_gaussian_detector(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def draw(root: Path, category: str, *, progress: bool) -> Path:
        assert not progress  # there is no terminal
        return (write_product(root) / "disc").rename(root / category)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("nsa.train.demo.write", draw)
    result = nsa("train", *SMALL, "--distribution", "l2")
    assert result.exit_code == 0, result.output
    metrics = json.loads(next((tmp_path / "runs").glob("flange-*/metrics.json")).read_text())
    assert metrics["configuration"]["gaussian"]["distribution"] == "l2"
    assert "working_point" not in metrics


def test_calibrate_prints_what_the_images_can_set(
    run: Path, normals: Path, data: Path, tmp_path: Path
) -> None:
    plain = tmp_path / "plain"
    assert nsa("train", "--config", run / "config.yaml", "--output", plain).exit_code == 0
    result = nsa("calibrate", plain, normals, "--device", "cpu")
    assert result.exit_code == 0, result.output
    assert "1/20 = 0.05" in result.stdout
    assert "needs 99 images" in result.stdout
    assert len(rows(plain / "calibration.csv")) == 19
    images = data / "disc" / "test" / "good"
    out = tmp_path / "out"
    assert nsa("predict", plain, images, "--output", out, "--fpr", 0.05).exit_code == 0
    assert {row["label"] for row in rows(out / "scores.csv")} <= {"normal", "anomalous"}
    message = sentence(nsa("predict", plain, images, "--output", out, "--fpr", 0.01))
    assert "the smallest is 1/20 = 0.05; hold out at least 99" in message


@pytest.fixture(scope="module")
def network_run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of NSA."""
    folder = tmp_path_factory.mktemp("network") / "disc"
    options = write_config(folder.parent / "options.yaml", epochs=1)
    result = nsa("train", "--data-root", data, "--config", options, "--output", folder)
    assert result.exit_code == 0, result.output
    return folder


def test_a_network_needs_calibration_before_a_rate(network_run: Path, tmp_path: Path) -> None:
    images = tmp_path / "images"
    write(images / "0.png", picture(1)[0])
    for command in (
        ("predict", network_run, images, "--output", tmp_path / "out", "--fpr", 0.1),
        ("evaluate", network_run, "--fpr", 0.1),
    ):
        message = sentence(nsa(*command))
        assert "is not calibrated" in message
        assert f"nsa calibrate {network_run}" in message


def test_calibrating_a_network_labels_and_judges_its_images(
    network_run: Path, normals: Path, data: Path, tmp_path: Path
) -> None:
    assert nsa("calibrate", network_run, normals, "--device", "cpu").exit_code == 0
    held = sorted(float(row["score"]) for row in rows(network_run / "calibration.csv"))
    out = tmp_path / "out"
    # floor(0.1 * 20) = 2 held-out scores may lie at or above a defective one.
    result = nsa("predict", network_run, normals, "--output", out, "--fpr", 0.1, "--no-overlays")
    assert result.exit_code == 0, result.output
    found = rows(out / "scores.csv")
    assert sorted(float(row["score"]) for row in found) == pytest.approx(held, rel=1e-5)
    labels = [row["label"] for row in sorted(found, key=lambda row: float(row["score"]))]
    assert labels[-1] == "anomalous"
    # The second highest is the threshold itself, and one image alone rounds unlike one of a batch.
    assert labels[:-2] == ["normal"] * 17
    result = nsa("evaluate", network_run, "--fpr", 0.1, "--output", tmp_path / "judged")
    assert result.exit_code == 0, result.output
    point = json.loads((tmp_path / "judged" / "metrics.json").read_text())["working_point"]
    assert point["threshold"] == held[-2]
    # The achieved rates are those of the scores that predict gives, not of the centre crops.
    good, spot = (data / "disc" / "test" / kind for kind in ("good", "spot"))
    nsa("predict", network_run, good, spot, "--output", out, "--fpr", 0.1, "--no-overlays")
    labels = [row["label"] == "anomalous" for row in rows(out / "scores.csv")]
    assert point["test_fpr"] == pytest.approx(np.mean(labels[:3]))
    assert point["test_tpr"] == pytest.approx(np.mean(labels[3:]))
    assert "levels" not in point


def test_calibrated_test_images_do_not_count(network_run: Path, data: Path, tmp_path: Path) -> None:
    good = data / "disc" / "test" / "good"
    assert nsa("calibrate", network_run, good).exit_code == 0
    result = nsa("evaluate", network_run, "--fpr", 0.25, "--output", tmp_path / "judged")
    assert result.exit_code == 0, result.output
    assert "3 test images were calibrated with" in result.stderr
    point = json.loads((tmp_path / "judged" / "metrics.json").read_text())["working_point"]
    assert point["test_fpr"] is None
    assert point["test_normal_images"] == 0
    assert 0 <= point["test_tpr"] <= 1


def test_a_network_runs_encoder_gives_the_features(
    network_run: Path, data: Path, config: Path, tmp_path: Path
) -> None:
    result = nsa(
        "train", "--method", "gaussian", "--weights", network_run, "--data-root", data,
        "--config", config, "--output", tmp_path / "run", "--distribution", "npca1",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    section = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())["gaussian"]
    assert section["network"] == "resnet18"
    assert section["weights"] == str(network_run)


def test_augmented_copies_change_the_fit_reproducibly(run: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        arguments = ("--config", run / "config.yaml", "--output", tmp_path / name, "--augment", 3)
        assert nsa("train", *arguments).exit_code == 0
    one, two, plain = (
        (folder / "calibration.csv").read_text()
        for folder in (tmp_path / "one", tmp_path / "two", run)
    )
    assert one == two
    assert [line.split(",")[0] for line in one.split()] == [
        line.split(",")[0] for line in plain.split()
    ]
    assert one != plain


def test_training_images_cannot_calibrate(network_run: Path, data: Path) -> None:
    message = sentence(nsa("calibrate", network_run, data / "disc" / "train" / "good"))
    assert "20 of 20 images are training images" in message


def test_images_named_twice_cannot_calibrate(network_run: Path, normals: Path) -> None:
    message = sentence(nsa("calibrate", network_run, normals, normals / "3.png"))
    assert "1 images are named twice" in message


def test_a_damaged_calibration_is_named(network_run: Path, normals: Path, tmp_path: Path) -> None:
    for content in ("path,score\na.png,high\n", "path,score\n", "score\n", "path,score\na,nan\n"):
        (network_run / "calibration.csv").write_text(content)
        message = sentence(
            nsa("predict", network_run, normals, "--output", tmp_path / "out", "--fpr", 0.1)
        )
        assert "calibration.csv cannot be read" in message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--fpr", 0.01], "by 4 held-out normal images: the smallest is 1/5"),
        (["--fpr", 1.5], "fpr must be between 0 and 1"),
        (["--fpr", 0.3, "--holdout", 0], "holdout must be between 0 and 1"),
        (["--holdout", 0.3], "add --fpr"),
        (["--epochs", 3], "epochs cannot be set with --method gaussian"),
        (["--label", "binary", "--background", 3], "label, background cannot be set"),
        (["--distribution", "pca"], "distribution must be one of 'full', 'standardised'"),
        (["--network", "resnet19"], "did you mean 'resnet18'?"),
        (["--weights", "missing.pth"], "neither a file nor a run folder"),
        (["--precision", "fp16"], "precision must be"),
        (["--seed", -1], "seed must be"),
        (["--augment", -1], "augment must be a number from 0"),
    ],
)
def test_what_training_refuses(
    arguments: list[object], message: str, data: Path, config: Path, tmp_path: Path
) -> None:
    output = tmp_path / "run"
    result = nsa(
        "train", *SMALL, "--data-root", data, "--config", config, "--output", output, *arguments
    )
    assert message in sentence(result)
    assert not output.exists()


@pytest.mark.parametrize(
    "option", ["network", "weights", "distribution", "augment", "fpr", "holdout"]
)
def test_options_of_the_gaussian_detector_need_its_method(
    option: str, data: Path, tmp_path: Path
) -> None:
    value = {"augment": 3, "fpr": 0.1, "holdout": 0.1}.get(option, "resnet18")
    result = nsa("train", "--data-root", data, f"--{option}", value, "--output", tmp_path / "run")
    assert f"'{option}' is an option of --method gaussian" in sentence(result)


def test_a_gaussian_run_has_no_maps_and_no_epochs(run: Path, data: Path, tmp_path: Path) -> None:
    good = data / "disc" / "test" / "good"
    saved = nsa("predict", run, good, "--output", tmp_path / "out", "--save-maps")
    assert "nothing to save with --save-maps" in sentence(saved)
    assert "not resumed" in sentence(nsa("train", "--resume", run))
