"""What tests of the command line share: tiny products, finished runs, one thread."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import yaml
from tiny import nsa, picture, train_gaussian, write, write_config, write_product


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Several threads only cost time on tiny images."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with the category ``disc``: nine training and six test images."""
    return write_product(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="session")
def more_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with twenty training images, to hold some out."""
    return write_product(tmp_path_factory.mktemp("more_data"), train=20)


@pytest.fixture(scope="session")
def normals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nineteen normal images that nothing was trained on."""
    folder = tmp_path_factory.mktemp("normals")
    for index in range(19):
        write(folder / f"{index}.png", picture(500 + index)[0])
    return folder


@pytest.fixture(scope="session")
def one_epoch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Options of a training of NSA that takes a second."""
    return write_config(tmp_path_factory.mktemp("config") / "options.yaml", epochs=1)


@pytest.fixture(scope="session")
def small_gaussian(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Options of a Gaussian detector on small images."""
    path = tmp_path_factory.mktemp("config") / "options.yaml"
    path.write_text(yaml.safe_dump({"gaussian": {"size": [64, 72]}}))
    return path


@pytest.fixture(scope="module")
def gaussian_run(
    more_data: Path, small_gaussian: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A finished run of the Gaussian detector with a quarter of the images held out."""
    folder = tmp_path_factory.mktemp("runs") / "disc"
    result = train_gaussian(more_data, small_gaussian, folder, "--fpr", 0.2, "--holdout", 0.25)
    assert result.exit_code == 0, result.output
    assert "image AUROC" in result.stdout
    assert "the Gaussian detector gives no pixel map" in result.stdout
    assert "random weights" in result.stderr
    assert str(folder) in result.stderr
    return folder


@pytest.fixture(scope="module")
def network_run(more_data: Path, one_epoch: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of NSA."""
    folder = tmp_path_factory.mktemp("network") / "disc"
    result = nsa("train", "--data-root", more_data, "--config", one_epoch, "--output", folder)
    assert result.exit_code == 0, result.output
    return folder
