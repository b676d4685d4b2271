"""Settings for categories that have no preset, and how they are overridden."""

import logging
from pathlib import Path

import cv2
import pytest
from tiny import nsa, picture, write, write_config, write_product

from nsa.detectors.network.automatic import suggest_settings
from nsa.detectors.network.folder import open_run
from nsa.errors import InputError
from nsa.images import open_dataset


def test_an_object_on_a_plain_background_is_recognised(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    dataset = open_dataset(write_product(tmp_path))
    with caplog.at_level(logging.INFO, "nsa"):
        preset = suggest_settings(dataset)
    assert preset.kind == "object"
    assert preset.synthesis.background == pytest.approx(220, abs=5)
    assert f"Settings estimated from the images of {dataset.name!r}: object" in caplog.text
    assert "(Set others by --kind, --background or a --config file.)" in caplog.text


def test_the_kind_can_be_overridden(tmp_path: Path) -> None:
    dataset = open_dataset(write_product(tmp_path))
    preset = suggest_settings(dataset, "texture")
    assert preset.kind == "texture"
    assert preset.synthesis.gradients == "mixed"
    assert preset.images.vertical_flip
    with pytest.raises(InputError, match="kind must be 'object' or 'texture'"):
        suggest_settings(dataset, "gas")


def test_grey_images_train_a_network_of_one_channel(tmp_path: Path) -> None:
    folder = tmp_path / "grey"
    for index in range(4):
        write(folder / f"{index}.png", cv2.cvtColor(picture(index)[0], cv2.COLOR_BGR2GRAY))
    config = write_config(tmp_path / "o.yaml", epochs=1, kind=None)
    output = tmp_path / "run"
    result = nsa("train", "--normal-dir", folder, "--config", config, "--output", output)
    assert result.exit_code == 0, result.output
    assert "one channel" in result.stderr
    assert "There are no test images" in result.stderr
    assert open_run(output).settings.images.channels == 1
    predicted = nsa("predict", output, folder, "--output", tmp_path / "out")
    assert predicted.exit_code == 0, predicted.output


def test_the_preset_of_a_known_category_is_used(tmp_path: Path) -> None:
    (write_product(tmp_path) / "disc").rename(tmp_path / "screw")
    config = write_config(tmp_path / "o.yaml", epochs=1, kind=None, synthesis={})
    result = nsa("train", "--data-root", tmp_path, "--config", config, "--output", tmp_path / "run")
    assert result.exit_code == 0, result.output
    assert "preset 'screw'" in result.stderr
    synthesis = open_run(tmp_path / "run").settings.synthesis
    assert synthesis.max_patches == 4
    assert synthesis.label_steepness == 1
