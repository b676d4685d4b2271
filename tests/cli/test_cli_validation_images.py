"""Validation images of a data set: named, not trained on, and calibrated with by that command."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

from tiny import nsa, picture, write

from nsa.folder import CONTENTS
from nsa.images import Contents


def test_a_training_says_what_they_are_for(data: Path, one_epoch: Path, tmp_path: Path) -> None:
    root = tmp_path / "data set"
    shutil.copytree(data, root)
    for number in range(4):
        write(root / "disc" / "validation" / "good" / f"{number}.png", picture(700 + number)[0])
    run = tmp_path / "run"
    result = nsa("train", "--data-root", root, "--config", one_epoch, "--output", run)
    assert result.exit_code == 0, result.output
    said = "Not trained on: 4 validation images, which can set a threshold: nsa calibrate"
    (line,) = [line for line in result.stderr.splitlines() if said in line]
    assert len(Contents.read(run / CONTENTS).paths) == 9
    command = shlex.split(line.split(": ")[-1])
    folder = root / "disc" / "validation" / "good"
    assert command == ["nsa", "calibrate", str(run), str(folder)]
    calibrated = nsa(*command[1:])
    assert calibrated.exit_code == 0, calibrated.output
    assert len((run / "calibration.csv").read_text().splitlines()) == 5
    again = nsa("train", "--data-root", data, "--config", one_epoch, "--output", tmp_path / "two")
    assert "validation" not in again.stderr
