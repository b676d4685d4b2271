"""A threshold from held-out normal images: ``nsa calibrate`` and ``--fpr``, for every method."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from tiny import nsa, picture, rows, sentence, write

from nsa.detectors.gaussian import storage
from nsa.errors import InputError
from nsa.gaussian import chi_square_threshold
from nsa.metrics import ConformalThreshold
from nsa.runs.calibrate import Calibration, warn_about_outlier


def test_the_working_point_is_reported_for_images_and_every_level(gaussian_run: Path) -> None:
    point = json.loads((gaussian_run / "metrics.json").read_text())["working_point"]
    held = sorted(float(row["score"]) for row in rows(gaussian_run / "calibration.csv"))
    assert point["fpr"] == 0.2
    assert point["held_out_images"] == len(held) == 5
    assert point["smallest_fpr"] == pytest.approx(1 / 6)
    # floor(0.2 * 6) = 1 may lie at or above.
    assert point["threshold"] == ConformalThreshold(held).threshold(0.2) > held[-1]
    scores = rows(gaussian_run / "scores.csv")
    above = [float(row["raw_score"]) > point["threshold"] for row in scores]
    assert point["test_fpr"] == pytest.approx(np.mean(above[:3]))
    assert point["test_tpr"] == pytest.approx(np.mean(above[3:]))
    calibration = storage.load(gaussian_run).calibration
    assert calibration is not None
    assert calibration.shape == (len(held), 5)
    assert [level["dimensions"] for level in point["levels"]] == [64, 64, 128, 256, 512]
    for level in point["levels"]:
        assert level["threshold"] == pytest.approx(chi_square_threshold(0.2, level["dimensions"]))
        distances = calibration[:, level["level"] - 1].numpy()
        assert level["held_out_fpr"] == pytest.approx(np.mean(distances > level["threshold"]))


def test_calibrate_prints_what_the_images_can_set(
    gaussian_run: Path, normals: Path, more_data: Path, tmp_path: Path
) -> None:
    plain = tmp_path / "plain"
    assert nsa("train", "--config", gaussian_run / "config.yaml", "--output", plain).exit_code == 0
    result = nsa("calibrate", plain, normals, "--device", "cpu", "--overwrite")
    assert result.exit_code == 0, result.output
    assert "1/20 = 0.05" in result.stdout
    assert "needs 99 images" in result.stdout
    assert len(rows(plain / "calibration.csv")) == 19
    images = more_data / "disc" / "test" / "good"
    out = tmp_path / "out"
    assert nsa("predict", plain, images, "--output", out, "--fpr", 0.05).exit_code == 0
    assert {row["predicted"] for row in rows(out / "scores.csv")} <= {"normal", "anomalous"}
    message = sentence(nsa("predict", plain, images, "--output", out, "--fpr", 0.01))
    assert "the smallest is 1/20 = 0.05; hold out at least 99" in message


def test_a_network_needs_calibration_before_a_rate(network_run: Path, tmp_path: Path) -> None:
    images, run = tmp_path / "images", tmp_path / "run"
    write(images / "0.png", picture(1)[0])
    shutil.copytree(network_run, run)
    (run / "calibration.csv").unlink(missing_ok=True)  # of a test that came before
    for command in (
        ("predict", run, images, "--output", tmp_path / "out", "--fpr", 0.1),
        ("evaluate", run, "--fpr", 0.1),
    ):
        message = sentence(nsa(*command))
        assert "is not calibrated" in message
        assert f"nsa calibrate {run}" in message


def test_calibrating_a_network_labels_and_judges_its_images(
    network_run: Path, normals: Path, more_data: Path, tmp_path: Path
) -> None:
    assert nsa("calibrate", network_run, normals, "--device", "cpu").exit_code == 0
    held = sorted(float(row["score"]) for row in rows(network_run / "calibration.csv"))
    out, both = tmp_path / "out", tmp_path / "both"
    # floor(0.1 * 20) = 2 held-out scores may lie at or above a defective one.
    result = nsa("predict", network_run, normals, "--output", out, "--fpr", 0.1, "--no-overlays")
    assert result.exit_code == 0, result.output
    found = rows(out / "scores.csv")
    assert sorted(float(row["raw_score"]) for row in found) == pytest.approx(held, rel=1e-5)
    labels = [row["predicted"] for row in sorted(found, key=lambda row: float(row["raw_score"]))]
    # Also the second highest, which sets the threshold, whatever the last digit of its score is.
    assert labels == ["normal"] * 18 + ["anomalous"]
    assert [float(row["score"]) > 0.9 - 1e-9 for row in found] == [
        row["predicted"] == "anomalous" for row in found
    ]
    result = nsa("evaluate", network_run, "--fpr", 0.1, "--output", tmp_path / "judged")
    assert result.exit_code == 0, result.output
    point = json.loads((tmp_path / "judged" / "metrics.json").read_text())["working_point"]
    assert held[-2] < point["threshold"] < held[-1]
    # The achieved rates are those of the scores that predict gives, not of the centre crops.
    good, spot = (more_data / "disc" / "test" / kind for kind in ("good", "spot"))
    nsa("predict", network_run, good, spot, "--output", both, "--fpr", 0.1, "--no-overlays")
    labels = [row["predicted"] == "anomalous" for row in rows(both / "scores.csv")]
    assert point["test_fpr"] == pytest.approx(np.mean(labels[:3]))
    assert point["test_tpr"] == pytest.approx(np.mean(labels[3:]))
    assert "levels" not in point


def test_calibrated_test_images_do_not_count(
    network_run: Path, more_data: Path, tmp_path: Path
) -> None:
    good = more_data / "disc" / "test" / "good"
    assert nsa("calibrate", network_run, good, "--overwrite").exit_code == 0
    result = nsa("evaluate", network_run, "--fpr", 0.25, "--output", tmp_path / "judged")
    assert result.exit_code == 0, result.output
    assert "3 test images were calibrated with" in result.stderr
    point = json.loads((tmp_path / "judged" / "metrics.json").read_text())["working_point"]
    assert point["test_fpr"] is None
    assert point["test_normal_images"] == 0
    assert 0 <= point["test_tpr"] <= 1


def test_training_images_cannot_calibrate(network_run: Path, more_data: Path) -> None:
    trained = more_data / "disc" / "train" / "good"
    message = sentence(nsa("calibrate", network_run, trained, "--overwrite"))
    assert "20 of 20 images are training images" in message


def test_images_named_twice_cannot_calibrate(network_run: Path, normals: Path) -> None:
    message = sentence(nsa("calibrate", network_run, normals, normals / "3.png", "--overwrite"))
    assert "1 image is named twice" in message


def test_a_calibration_that_lost_lines_is_named(
    network_run: Path, normals: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(network_run, run)
    assert nsa("calibrate", run, normals, "--overwrite").exit_code == 0
    whole = (run / "calibration.csv").read_bytes()
    threshold = Calibration.read(run).threshold.threshold(0.1)
    for size in range(len(whole)):
        (run / "calibration.csv").write_bytes(whole[:size])
        if size == len(whole) - 1:  # only the end of the last line
            assert Calibration.read(run).threshold.threshold(0.1) == threshold
            continue
        with pytest.raises(InputError, match=r"calibration\.csv "):
            Calibration.read(run)
    (run / "calibration.csv").write_text("path,score\na,0.5\nb,0.25\n")
    assert Calibration.read(run).threshold.p_value([0.6]) == 1 / 3  # as earlier versions wrote it


def test_a_damaged_calibration_is_named(network_run: Path, normals: Path, tmp_path: Path) -> None:
    for content in ("path,score\na.png,high\n", "path,score\n", "score\n", "path,score\na,nan\n"):
        (network_run / "calibration.csv").write_text(content)
        message = sentence(
            nsa("predict", network_run, normals, "--output", tmp_path / "out", "--fpr", 0.1)
        )
        assert "calibration.csv " in message
        assert "score" in message


def test_an_image_that_alone_sets_the_threshold_is_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    for scores, said in (
        ([1.0, 1.2, 1.1, 1.3, 9.0, 1.4], True),
        ([1.0, 1.2, 1.1, 1.3, 1.6, 1.4], False),
        ([1.0, 9.0, 1.1], False),  # nobody knows by so few
        ([1.0] * 9, False),
    ):
        caplog.clear()
        names = [f"{number}.png" for number in range(len(scores))]
        warn_about_outlier(Calibration(names, np.array(scores)))
        assert ("4.png has a raw score of 9, and the next highest is 1.4" in caplog.text) == said
