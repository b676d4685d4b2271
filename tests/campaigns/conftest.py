"""Campaigns: attacks in numbers, each on what one promise of the package says.

``python -m pytest tests/campaigns --effort 1`` takes minutes; ``--effort 50`` tries fifty times as
much. Without the option all is tried as with 1, and kills and full disks always at the same points.
With it the attempts are drawn from the seed that ``tests/conftest.py`` prints.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from forks import Server
from places import Place


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--effort",
        type=float,
        help="campaigns: how many times as much is tried as continuous integration affords",
    )


def pytest_report_header(config: pytest.Config) -> str:
    return f"effort of campaigns: {config.getoption('effort', default=None) or 1:g}"


@pytest.fixture(scope="session")
def effort(pytestconfig: pytest.Config) -> float:
    """How many times as much is to be tried; 1 where nobody says."""
    return float(pytestconfig.getoption("effort", default=None) or 1)


@pytest.fixture(scope="session")
def attempts_seed(pytestconfig: pytest.Config, fresh_seed: int) -> int:
    """Decides at which of a command's many changes something happens."""
    return 0 if pytestconfig.getoption("effort", default=None) is None else fresh_seed


@pytest.fixture(scope="session")
def faults(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``faults.cpp``, compiled."""
    compiler = shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")
    if not sys.platform.startswith("linux") or compiler is None:
        pytest.skip("faults are put in on Linux, with a C++ compiler")
    library = tmp_path_factory.mktemp("faults") / "faults.so"
    source = Path(__file__).with_name("faults.cpp")
    flags = ["-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    subprocess.run([compiler, *flags, "-o", library, source, "-ldl"], check=True)
    return library


@pytest.fixture(scope="session")
def server(faults: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Runs commands in forked processes."""
    server = Server(faults, tmp_path_factory.mktemp("logs"))
    yield server
    server.close()


@pytest.fixture(scope="session")
def place(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A folder of images and finished runs, for any number of attempts."""
    return Place(server, tmp_path_factory.mktemp("place"))
