"""Several folders of normal images: ``--normal-dir A --normal-dir B``, in every command."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml
from tiny import GAUSSIAN, nsa, picture, sentence, write, write_config

from nsa.folder import CONTENTS as FILE
from nsa.images import Contents


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Five images each, of which two are in both."""
    for name, first in (("a", 0), ("b", 3)):
        for number in range(first, first + 5):
            write(tmp_path / name / f"{name}{number}.png", picture(number)[0])
    return tmp_path / "a", tmp_path / "b"


def both(folders: tuple[Path, Path]) -> list[object]:
    return ["--normal-dir", folders[0], "--normal-dir", folders[1]]


def trained_on(run: Path) -> list[str]:
    return [Path(path).stem for path in Contents.read(run / FILE).paths]


def test_a_network_trains_on_all_of_them(folders: tuple[Path, Path], tmp_path: Path) -> None:
    run, config = tmp_path / "run", write_config(tmp_path / "o.yaml", epochs=1)
    result = nsa("train", *both(folders), "--config", config, "--output", run)
    assert result.exit_code == 0, result.output
    assert "Training 'a' on 10 images" in result.stderr
    assert "2 of 10 training images are copies of others" in result.stderr
    everything = [f"a{i}" for i in range(5)] + [f"b{i}" for i in range(3, 8)]
    assert trained_on(run) == everything
    kept = yaml.safe_load((run / "config.yaml").read_text())
    assert kept["normal_dir"] == [str(folder) for folder in folders]
    # The run's own settings repeat it, and it continues where they lie now.
    again = nsa("train", "--config", run / "config.yaml", "--output", tmp_path / "again")
    assert again.exit_code == 0, again.output
    assert trained_on(tmp_path / "again") == everything
    moved = (tmp_path / "c", tmp_path / "d")
    for folder, place in zip(folders, moved, strict=True):
        shutil.move(folder, place)
    resumed = nsa("train", "--resume", run, *both(moved))
    assert resumed.exit_code == 0, resumed.output
    assert trained_on(run) == everything
    kept = yaml.safe_load((run / "config.yaml").read_text())
    assert kept["normal_dir"] == [str(folder) for folder in moved]
    assert nsa("evaluate", run).exit_code == 0


def test_a_gaussian_detector_is_fitted_to_each_picture_once(
    folders: tuple[Path, Path], small_gaussian: Path, tmp_path: Path
) -> None:
    section = yaml.safe_load(small_gaussian.read_text())
    config = tmp_path / "o.yaml"
    config.write_text(yaml.safe_dump({**section, "normal_dir": [str(one) for one in folders]}))
    run = tmp_path / "run"
    result = nsa("train", *GAUSSIAN, "--config", config, "--output", run)
    assert result.exit_code == 0, result.output
    assert "Fitting 'a' on 8 images" in result.stderr
    assert trained_on(run) == [f"a{i}" for i in range(5)] + [f"b{i}" for i in range(5, 8)]
    # The command line replaces the list of a file.
    alone = nsa(
        "train", *GAUSSIAN, "--config", config, "--output", tmp_path / "alone",
        "--normal-dir", folders[1],
    )  # fmt: skip
    assert "Fitting 'b' on 5 images" in alone.stderr


def test_synthetic_anomalies_are_drawn_from_all(folders: tuple[Path, Path], tmp_path: Path) -> None:
    for number in range(1, 5):
        (folders[0] / f"a{number}.png").unlink()
    config, picture = write_config(tmp_path / "o.yaml"), tmp_path / "drawn.png"
    drawn = nsa("synthesize", *both(folders), "--config", config, "--output", picture)
    assert drawn.exit_code == 0, drawn.output
    assert picture.is_file()


def test_what_is_wrong_with_one_of_them_is_said(folders: tuple[Path, Path], tmp_path: Path) -> None:
    missing = sentence(nsa("train", *both((folders[0], tmp_path / "c"))))
    assert f"{tmp_path / 'c'} does not exist" in missing
    assert "is named twice" in sentence(nsa("train", *both((folders[0], folders[0]))))
    root = nsa("train", *both(folders), "--data-root", tmp_path)
    assert "exactly one of data_root" in sentence(root)
