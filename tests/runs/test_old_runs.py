"""Run folders that nsa 0.1.0 wrote before its modules moved still open, and say the same.

``old_runs/expected.json`` has what that version said of them, with the weights that
:mod:`old_run_files` fills in, on one core of an x86-64 with AVX-512.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from old_run_files import HERE, picture, restore, write_images

import nsa

sys.path.insert(0, str(Path(__file__).parents[1]))
from tiny import nsa as command
from tiny import rows, sentence

FINISHED = ("nsa", "pii")
EXPECTED: dict[str, Any] = json.loads((HERE / "expected.json").read_text())
NUMBERS = (30, 31, 32, 33)
# Of the map at each row and column.
PLACES = ((0, 0), (40, 31), (40, 60), (79, 79))
# Other processors and versions of torch round otherwise, by some 1e-6; images differ by 1e-3.
SAME: dict[str, float] = {"rtol": 5e-5, "atol": 1e-6}
# A few steps of training carry rounding on.
RESUMED: dict[str, float] = {"rtol": 2e-3, "atol": 1e-4}


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_images(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="module")
def finished(images: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("finished")
    return {name: restore(name, folder, images) for name in FINISHED}


def judge(run: Path, name: str, tolerance: dict[str, float]) -> None:
    """Compare what the detector says of new images with what was said once."""
    pixels = torch.from_numpy(np.stack([picture(number) for number in NUMBERS]))
    maps, scores = nsa.load(run).predict(pixels.permute(0, 3, 1, 2))
    np.testing.assert_allclose(scores, EXPECTED[name]["scores"], **tolerance)
    found = [[float(each[0, y, x]) for y, x in PLACES] for each in maps]
    np.testing.assert_allclose(found, EXPECTED[name]["maps"], **tolerance)


@pytest.mark.parametrize("name", FINISHED)
def test_a_detector_scores_as_before(finished: dict[str, Path], name: str) -> None:
    judge(finished[name], name, SAME)


@pytest.mark.parametrize("name", FINISHED)
def test_predict_scores_as_before(finished: dict[str, Path], name: str, tmp_path: Path) -> None:
    for number in NUMBERS:
        pixels = cv2.cvtColor(picture(number), cv2.COLOR_RGB2BGR)
        (tmp_path / f"{number}.png").write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
    result = command("predict", finished[name], tmp_path, "--output", tmp_path / "out")
    assert result.exit_code == 0, result.output
    scored = rows(tmp_path / "out" / "scores.csv")
    assert [Path(row["path"]).stem for row in scored] == [str(number) for number in NUMBERS]
    found = [float(row["raw_score"]) for row in scored]
    np.testing.assert_allclose(found, EXPECTED[name]["scores"], **SAME)


@pytest.mark.parametrize("name", FINISHED)
def test_evaluate_judges_as_before(finished: dict[str, Path], name: str, tmp_path: Path) -> None:
    """On the images that the run's own settings name."""
    result = command("evaluate", finished[name], "--output", tmp_path / "judged")
    assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "judged" / "metrics.json").read_text())
    expected = dict(EXPECTED[name]["metrics"])
    whole = expected.pop("whole_image")
    paper = found["paper_protocol"]
    assert {metric: paper[metric] for metric in expected} == pytest.approx(expected, rel=1e-3)
    # Masks are reduced by the maximum since, which pixels feel, but not much.
    for metric, value in whole.items():
        close = 1e-3 if metric.startswith("image") else 2e-2
        assert found[metric] == pytest.approx(value, rel=close), metric
    before = json.loads((HERE / name / "metrics.json").read_text())["times"]
    del before["evaluation_seconds"]
    assert found["times"].items() >= before.items()  # those of the training


def test_a_gaussian_detector_without_heat_maps_is_refused(images: Path, tmp_path: Path) -> None:
    """Nothing in it says where in an image a feature lies."""
    run = restore("gaussian", tmp_path, images)
    result = command("evaluate", run)
    assert "before the method gave heat maps; fit it again with nsa train" in sentence(result)
    again = command("train", "--config", run / "config.yaml", "--output", tmp_path / "new")
    assert again.exit_code == 0, again.output


def test_an_interrupted_training_goes_on_as_before(images: Path, tmp_path: Path) -> None:
    run = restore("stopped", tmp_path, images)
    epochs = EXPECTED["stopped"]["log"].splitlines()
    first = (run / "log.csv").read_text().splitlines()
    assert first == epochs[:2]  # it was stopped in the second of three
    result = command("train", "--resume", run)
    assert result.exit_code == 0, result.output
    assert "Continuing at epoch 2, step 2." in result.stderr
    written = (run / "log.csv").read_text().splitlines()
    assert written[:2] == epochs[:2]
    for line, expected in zip(written[2:], epochs[2:], strict=True):
        epoch, loss, rate = (float(value) for value in line.split(","))
        assert [epoch, loss, rate] == pytest.approx(
            [float(value) for value in expected.split(",")], rel=RESUMED["rtol"]
        )
    judge(run, "stopped", RESUMED)
