"""An ensemble is used like any other detector, and knows how far its members disagree."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import TABLES, nsa, picture, rows, sentence, write

import nsa as package
from nsa.detectors.ensemble.detector import EnsembleDetector
from nsa.images import load_images
from nsa.runs.calibrate import Calibration

Runs = tuple[Path, Path]


def load(run: Path) -> EnsembleDetector:
    detector = package.load(run, "cpu")
    assert isinstance(detector, EnsembleDetector)
    return detector


def test_scores_are_the_members_standardised_ones(
    ensemble: Path, runs: Runs, normals: Path
) -> None:
    detector, members = load(ensemble), [package.load(run, "cpu") for run in runs]
    paths = sorted(normals.iterdir())
    held = load_images(paths, detector.size, progress=False)
    new = torch.from_numpy(np.stack([picture(700 + i, i > 1)[0] for i in range(4)]))
    new = new.permute(0, 3, 1, 2)
    expected = []
    for member in members:
        logs = np.log(member.score(held).scores.double().numpy())
        deviation = 1.4826 * np.median(np.abs(logs - np.median(logs)))
        values = np.log(member.predict(new)[1].double().numpy())
        expected.append((values - np.median(logs)) / deviation)
    maps, scores = detector.predict(new)
    np.testing.assert_allclose(scores, np.sum(expected, 0), atol=1e-2)  # of a scale of 0.002
    np.testing.assert_allclose(detector.spread(new)[1], np.std(expected, 0), atol=1e-2)
    assert maps is not None
    assert maps.shape == (4, 1, 80, 80)
    kept = {row["path"]: row for row in rows(ensemble / "held_out.csv")}
    assert set(kept) == {str(path.resolve()) for path in paths}
    for name, run in zip(("01-nsa", "02-nsa"), runs, strict=True):
        for row in rows(run / "calibration.csv"):
            assert float(kept[row["path"]][name]) == pytest.approx(float(row["score"]), rel=1e-5)


def test_predict_gives_the_spread(ensemble: Path, more_data: Path, tmp_path: Path) -> None:
    images, out = more_data / "disc" / "test" / "spot", tmp_path / "out"
    write(tmp_path / "0_spread.png", picture(1)[0])  # whose map has the name of another's spread
    command = ("predict", ensemble, images, tmp_path / "0_spread.png", "--output", out)
    options = ("--save-maps", "--save-spread", "--fpr", 0.1, "--no-overlays")
    result = nsa(*command, *options)
    assert result.exit_code == 0, result.output
    found, detector = rows(out / "scores.csv"), load(ensemble)
    assert list(found[0]) == [
        "path", "predicted", "score", "raw_score", "spread", "defect_share", "picture", "map",
        "map_spread",
    ]  # fmt: skip
    judged = {row["path"]: row for row in rows(ensemble / "scores.csv")}
    files = set()
    for row in found:
        pixels = load_images([row["path"]], (80, 80), progress=False)
        maps, spreads = detector.spread(pixels)
        np.testing.assert_allclose(np.load(out / row["map_spread"]), maps[0, 0], atol=1e-4)
        expected, scores = detector.predict(pixels)
        assert expected is not None
        np.testing.assert_allclose(np.load(out / row["map"]), expected[0, 0], atol=1e-3)
        assert float(row["raw_score"]) == pytest.approx(float(scores[0]), abs=1e-2)
        assert float(row["spread"]) == pytest.approx(float(spreads[0]), abs=1e-2)
        if row["path"] in judged:
            assert float(row["spread"]) == pytest.approx(
                float(judged[row["path"]]["spread"]), abs=1e-2
            )
        files |= {row["map"], row["map_spread"]}
    assert files == {path.name for path in out.iterdir()} - {*TABLES}
    assert len(files) == 8
    # And it knows again what it wrote.
    assert nsa(*command, "--overwrite").exit_code == 0
    assert "map_spread" not in rows(out / "scores.csv")[0]
    assert not list(out.glob("*.npy"))


def test_one_detector_has_no_spread(runs: Runs, normals: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    message = sentence(nsa("predict", runs[0], normals, "--output", out, "--save-spread"))
    assert "this is one detector alone" in message
    assert not out.exists()


def test_an_ensemble_is_calibrated_and_judged_again(
    ensemble: Path, normals: Path, more_data: Path, tmp_path: Path
) -> None:
    run = shutil.copytree(ensemble, tmp_path / "run")
    before = [float(row["score"]) for row in rows(run / "calibration.csv")]
    result = nsa("calibrate", run, normals, "--device", "cpu")
    assert result.exit_code == 0, result.output
    assert "19 of the 19 images to calibrate with also set the scales" in result.stderr
    assert [float(row["score"]) for row in rows(run / "calibration.csv")] == pytest.approx(
        before, abs=1e-2
    )
    for index in range(19):
        write(tmp_path / "more" / f"{index}.png", picture(900 + index)[0])
    result = nsa("calibrate", run, tmp_path / "more", "--overwrite")
    assert result.exit_code == 0, result.output
    assert "set the scales" not in result.stderr
    trained = more_data / "disc" / "train" / "good"
    message = sentence(nsa("calibrate", run, trained, "--overwrite"))
    assert "20 of 20 images are training images" in message
    out = tmp_path / "judged"
    for _ in range(2):  # also over its own results
        result = nsa("evaluate", run, "--fpr", 0.05, "--output", out, "--overwrite")
        assert result.exit_code == 0, result.output
    point = json.loads((out / "metrics.json").read_text())["working_point"]
    assert point["held_out_images"] == 19
    for one, other in zip(rows(out / "scores.csv"), rows(ensemble / "scores.csv"), strict=True):
        assert one == pytest.approx(other) or float(one["raw_score"]) == pytest.approx(
            float(other["raw_score"]), abs=1e-2
        )


def test_what_is_missing_of_a_finished_one_is_drawn(ensemble: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(ensemble, tmp_path / "run"))
    (run / "examples.png").unlink()
    result = nsa("train", "--resume", run)
    assert result.exit_code == 0, result.output
    assert "is complete; evaluating" in result.stderr
    assert (run / "examples.png").is_file()
    for name in ("scores.csv", "config.yaml", "calibration.csv"):
        assert (run / name).read_bytes() == (ensemble / name).read_bytes()


def test_lost_and_foreign_members_are_told(ensemble: Path, normals: Path, tmp_path: Path) -> None:
    def refusal(change: Callable[[Path], object]) -> str:
        run = Path(shutil.copytree(ensemble, tmp_path / f"run{len(list(tmp_path.iterdir()))}"))
        change(run)
        return sentence(nsa("predict", run, normals, "--output", tmp_path / "out"))

    def rename(old: str, new: str) -> Callable[[Path], object]:
        text = (ensemble / "ensemble.yaml").read_text()
        assert old in text
        return lambda run: (run / "ensemble.yaml").write_text(text.replace(old, new))

    assert "there is 01-nsa; put back" in refusal(lambda r: shutil.rmtree(r / "members" / "02-nsa"))
    assert "names the members 01-nsa, 01-nsa, but" in refusal(rename("02-nsa", "01-nsa"))
    assert "names the members ../x, 02-nsa, but" in refusal(rename("01-nsa", "../x"))
    assert "has lost its ensemble.yaml" in refusal(lambda r: (r / "ensemble.yaml").unlink())


def test_labels_allow_for_the_rounding_of_what_is_divided_by_scales(ensemble: Path) -> None:
    detector = load(ensemble)
    expected = sum(1e-4 / one.scores.scale for one in detector.scales)
    assert detector.rounding == pytest.approx(expected)
    calibration = Calibration.read(ensemble)
    assert calibration.rounding == detector.rounding
    highest = calibration.scores.max()
    assert calibration.threshold.threshold(1 / 20) == pytest.approx(highest + expected, rel=1e-6)
