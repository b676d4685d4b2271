"""Runs that several files of tests use."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tiny import nsa

Runs = tuple[Path, Path]


@pytest.fixture(scope="module")
def runs(
    network_run: Path,
    more_data: Path,
    normals: Path,
    one_epoch: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Runs:
    """Two calibrated runs that differ in their seed."""
    other = tmp_path_factory.mktemp("other") / "disc"
    options = ("--data-root", more_data, "--config", one_epoch, "--seed", 1)
    assert nsa("train", *options, "--output", other).exit_code == 0
    for run in (network_run, other):
        assert nsa("calibrate", run, normals, "--device", "cpu").exit_code == 0
    return network_run, other


@pytest.fixture(scope="module")
def ensemble(runs: Runs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of copies of the runs, which are gone."""
    folder = tmp_path_factory.mktemp("ensemble")
    copies = [shutil.copytree(run, folder / name) for run, name in zip(runs, "ab", strict=True)]
    result = nsa("combine", *copies, "--output", folder / "both", "--device", "cpu")
    assert result.exit_code == 0, result.output
    assert "image AUROC" in result.stdout
    assert "19 of the 19 images to calibrate with also set the scales" in result.stderr
    for copy in copies:
        shutil.rmtree(copy)
    return folder / "both"
