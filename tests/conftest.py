"""How the tests are run, and what those of the command line share: tiny products, finished runs."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
import torch
import yaml
from stores import s3_store
from tiny import nsa, picture, train_gaussian, write, write_config, write_product

from nsa.system.cores import usable_cores
from nsa.system.interrupt import StopRequest

SEED = "NSA_TEST_SEED"
_PICKED = "NSA_TEST_PICKED"  # for the workers, which do not know how the tests were called
_MOST_WORKERS = 8  # each holds a torch of its own, up to 2 GB


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Run the whole suite on all cores, and what was picked in this process, as a debugger needs.

    Tests on a GPU need its memory for themselves.
    """
    whole = config.args_source is not pytest.Config.ArgsSource.ARGS
    worker = hasattr(config, "workerinput")
    if not worker:
        os.environ[_PICKED] = "" if whole and not config.option.markexpr else "yes"
    if whole and not worker and not torch.cuda.is_available():
        option = config.option
        if getattr(option, "numprocesses", 0) is None and option.dist == "no":  # pytest-xdist
            option.numprocesses, option.dist = "auto", "worksteal"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave what takes minutes to those who pick tests, by name or by mark."""
    if not os.environ.get(_PICKED):
        later = pytest.mark.skip(reason="takes minutes: pytest -m thorough, or name the file")
        for item in items:
            if item.get_closest_marker("thorough"):
                item.add_marker(later)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    return min(_MOST_WORKERS, usable_cores())


def pytest_configure(config: pytest.Config) -> None:
    # What hypothesis keeps between runs.
    kept = config.rootpath / ".pytest_cache" / "hypothesis"
    os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", str(kept))
    # Inherited by the workers, as is the one thread by every process that a test starts: several
    # only cost time on tiny images. Tests of threads say how many.
    os.environ.setdefault(SEED, str(secrets.randbits(32)))
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Escape names that are not UTF-8 in what was captured: the processes of pytest-xdist must."""
    report = yield
    report.sections = [
        (title, text.encode(errors="backslashreplace").decode()) for title, text in report.sections
    ]
    return report


def pytest_report_header() -> str:
    return f"fresh random inputs: {SEED}={os.environ[SEED]}"


@pytest.fixture(scope="session")
def fresh_seed() -> int:
    """Another in every run of the tests; ``NSA_TEST_SEED`` in the environment repeats one."""
    return int(os.environ[SEED])


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
    assert "Heat maps: 160 features at 8 x 9 positions" in result.stderr
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


@pytest.fixture
def stop_after(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Let a signal come after so many steps of the next training."""

    def arrange(steps: int) -> None:
        left = steps

        def made(_: StopRequest) -> bool:
            nonlocal left
            left -= 1
            return left <= 0

        monkeypatch.setattr(StopRequest, "made", property(made, lambda *_: None), raising=False)

    return arrange


@pytest.fixture
def s3() -> Iterator[str]:
    """The URL of an empty bucket of an S3 server on 127.0.0.1."""
    with s3_store() as url:
        yield url
