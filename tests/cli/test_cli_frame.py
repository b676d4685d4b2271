"""What a network sees of an image, and which figures of it come first."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from tiny import nsa, rows, sentence, write_config

NAMES = ("image_auroc", "pixel_auroc", "au_pro")


@pytest.fixture(scope="module")
def whole(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of automatic settings, which see the whole image."""
    folder = tmp_path_factory.mktemp("whole")
    images = {"size": [72, 64], "rotation": 5}
    config = write_config(folder / "options.yaml", epochs=1, images=images)
    result = nsa("train", "--data-root", data, "--config", config, "--output", folder / "run")
    assert result.exit_code == 0, result.output
    assert "on 9 images of 72 x 64 px" in result.stderr
    assert "whole image" not in result.stdout  # there is nothing else
    return folder / "run"


def test_automatic_settings_see_the_whole_image(whole: Path) -> None:
    images = yaml.safe_load((whole / "config.yaml").read_text())["images"]
    assert images["size"] == images["crop"] == [72, 64]
    assert images["reflection"] > 0
    metrics = json.loads((whole / "metrics.json").read_text())
    assert metrics["image_auroc"] == metrics["paper_protocol"]["image_auroc"]


def test_a_run_of_whole_images_goes_on(whole: Path, data: Path, tmp_path: Path) -> None:
    told = nsa("train", "--resume", whole, "--frame", "whole")
    assert told.exit_code == 0, told.output
    assert "frame cannot change" in sentence(nsa("train", "--resume", whole, "--frame", "crop"))
    # Its own settings give the same run again.
    options = ("--data-root", data, "--config", whole / "config.yaml", "--output", tmp_path / "run")
    assert nsa("train", *options).exit_code == 0
    weights = [(run / "model.safetensors").read_bytes() for run in (whole, tmp_path / "run")]
    assert weights[0] == weights[1]


def test_scores_and_metrics_are_those_of_predict(
    network_run: Path, more_data: Path, tmp_path: Path
) -> None:
    """Also of a run that was trained on crops."""
    tested = more_data / "disc" / "test"
    images = (tested / "good", tested / "spot")
    result = nsa("predict", network_run, *images, "--output", tmp_path / "out", "--device", "cpu")
    assert result.exit_code == 0, result.output
    predicted = {
        row["path"]: float(row["raw_score"]) for row in rows(tmp_path / "out" / "scores.csv")
    }
    kept = {row["path"]: float(row["raw_score"]) for row in rows(network_run / "scores.csv")}
    assert kept == pytest.approx(predicted, rel=1e-4)
    metrics = json.loads((network_run / "metrics.json").read_text())
    assert [metrics[name] for name in NAMES] != [metrics["paper_protocol"][name] for name in NAMES]
    judged = nsa("evaluate", network_run, "--output", tmp_path / "judged")
    assert judged.exit_code == 0, judged.output
    assert "whole image %" in judged.stdout
    assert "as in the paper %" in " ".join(judged.stdout.split())


def test_a_preset_sees_the_whole_image_on_request(data: Path, tmp_path: Path) -> None:
    options = ("--data-root", data / "disc", "--category", "bottle", "--output", tmp_path / "run")
    config = write_config(tmp_path / "options.yaml", epochs=1, images={"size": [72, 72]})
    result = nsa("train", *options, "--config", config, "--frame", "whole")
    assert result.exit_code == 0, result.output
    written = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert written["images"]["crop"] == [72, 72]
    assert written["images"]["rotation"] == 5
    config = write_config(tmp_path / "options.yaml", epochs=1)  # with a crop of its own
    options = (*options[:-1], tmp_path / "another")
    result = nsa("train", *options, "--config", config, "--frame", "whole")
    assert "says what is seen of an image" in sentence(result)
