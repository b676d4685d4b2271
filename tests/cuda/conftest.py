"""Skips what needs a GPU where there is none, saying why, and plays one on the host."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch
from host_device import HostDevice
from shim.build import MissingError, compiler, load_module

from nsa._native.extension import C


@pytest.fixture(scope="session")
def shim_folder(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where kernels compiled for the host stay from one run of the tests to the next."""
    try:
        compiler()
    except MissingError as error:
        pytest.skip(f"the kernels cannot be compiled for the host: {error}")
    cache: pytest.Cache | None = getattr(pytestconfig, "cache", None)
    if cache:
        return cache.mkdir("shim")
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent  # of all workers: the first one builds, while others wait
    (folder / "shim").mkdir(exist_ok=True)
    return folder / "shim"


@pytest.fixture(scope="session")
def shim(shim_folder: Path) -> ModuleType:
    """The bindings of the kernels compiled for the host."""
    try:
        return load_module(shim_folder / "module")
    except MissingError as error:
        pytest.skip(f"the kernels cannot be compiled for the host: {error}")


@pytest.fixture
def device(shim: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Iterator[HostDevice]:
    """A device on the host: ``nsa._native.cuda`` takes CPU tensors and launches real kernels."""
    host = HostDevice(shim, monkeypatch)
    yield host
    host.memory.check()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reason = None
    if C.cuda_missing:
        reason = f"no kernels: {C.cuda_missing}"
    elif not torch.cuda.is_available():
        reason = "torch sees no GPU"
    for item in items:
        if reason and item.get_closest_marker("needs_cuda"):
            item.add_marker(pytest.mark.skip(reason=reason))
