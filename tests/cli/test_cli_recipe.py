"""``nsa train --recipe`` and ``--light``: what a run gets, keeps, and does not change."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from tiny import nsa, sentence, write_config, write_product


def trained(folder: Path, *options: object) -> tuple[dict[str, Any], str]:
    """The settings of a run of one epoch, and what its training said."""
    data = folder / "data"
    if not data.exists():
        write_product(data)
    crop = {"size": [72, 72], "center_crop": None, "crop": [64, 64]}
    images = crop if "texture" in options else {"size": [64, 64]}
    config = write_config(
        folder / "short.yaml", epochs=1, batch_size=None, optimizer=None, images=images
    )
    run = folder / f"run{len(list(folder.iterdir()))}"
    result = nsa("train", "--data-root", data, "--config", config, "--output", run, *options)
    assert result.exit_code == 0, result.output
    return yaml.safe_load((run / "config.yaml").read_text()), result.stderr


def test_a_product_without_a_preset_is_trained_by_the_tuned_recipe(tmp_path: Path) -> None:
    tuned, said = trained(tmp_path)
    assert (tuned["recipe"], tuned["training"]["image_score"]) == ("tuned", "auto")
    assert tuned["images"]["crop"] == tuned["images"]["size"] == [64, 64]
    assert tuned["images"]["brightness"] == tuned["images"]["contrast"] == 0.2
    assert "The light is varied in training" in said
    assert "brightness by up to 20 %, contrast by up to 20 %, colours by up to 10 %." in said
    assert tuned["training"]["skips"] is False  # of an object
    assert tuned["training"]["optimizer"] == "muon"
    paper, said = trained(tmp_path, "--recipe", "paper", "--kind", "texture")
    assert paper["recipe"] == "paper"
    assert (paper["training"]["batch_size"], paper["training"]["image_score"]) == (64, "mean")
    assert not {"skips", "optimizer", "brightness"} & {*paper["training"], *paper["images"]}
    assert "light" not in said


def test_a_run_keeps_its_light(
    more_data: Path,
    one_epoch: Path,
    tmp_path: Path,
    stop_after: Callable[[int], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    options = ("--data-root", more_data, "--config", one_epoch, "--output", tmp_path / "run")
    stop_after(1)
    assert nsa("train", *options).exit_code == 130
    monkeypatch.undo()
    resume = ("train", "--resume", tmp_path / "run")
    for wrong, named in (("--no-light", "--light"), ("--recipe=paper", "--recipe")):
        said = sentence(nsa(*resume, wrong))
        assert said.startswith(f"Error: {named} cannot change in a run that has begun")
    assert nsa(*resume, "--light", "--recipe", "tuned").exit_code == 0


def test_what_cannot_be_is_said_in_a_sentence(tmp_path: Path) -> None:
    write_product(tmp_path / "data")
    given = ("train", "--data-root", tmp_path / "data", "--output", tmp_path / "run")
    assert sentence(nsa(*given, "--recipe", "best")) == (
        "Error: recipe must be paper or tuned, got 'best'."
    )
    config = tmp_path / "light.yaml"
    config.write_text("images: {brightness: bright}")
    assert sentence(nsa(*given, "--config", config)).startswith("Error: brightness must be")
    config.write_text("recipe: tuned")
    reproduce = ("reproduce", "--data-root", tmp_path / "data", "--output", tmp_path / "out")
    said = sentence(nsa(*reproduce, "--config", config))
    assert f"{config.name} sets 'recipe', which nsa reproduce sets for every job itself" in said
    config.write_text("synthesis: {mixture: {scars: 0.1}}")
    said = sentence(nsa(*reproduce, "--config", config))
    assert f"{config.name} sets 'mixture', which nsa reproduce sets for every job itself" in said


def test_what_training_sees_is_drawn_in_its_light(tmp_path: Path) -> None:
    config = write_config(tmp_path / "o.yaml", images={"size": [72, 72]})
    given = ("synthesize", "--data-root", write_product(tmp_path / "data"), "--config", config)
    pictures = []
    for options in ((), ("--no-light",), ("--light",)):
        path = tmp_path / f"{len(pictures)}.png"
        result = nsa(*given, *options, "--output", path)
        assert result.exit_code == 0, result.output
        pictures.append(path.read_bytes())
    lit, plain, asked = pictures
    assert lit == asked != plain
