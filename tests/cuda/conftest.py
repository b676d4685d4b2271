"""Skips what needs a GPU where there is none, saying why, and plays one on the host."""

from __future__ import annotations

from types import ModuleType

import pytest
import torch
from host_device import HostDevice, install
from shim.build import MissingError, load_module

from nsa._native import C


@pytest.fixture(scope="session")
def shim(pytestconfig: pytest.Config) -> ModuleType:
    """The kernels compiled for the host, see ``shim/build.py``; objects are kept between runs."""
    try:
        return load_module(pytestconfig.cache.mkdir("shim"))
    except MissingError as error:
        pytest.skip(f"the kernels cannot be compiled for the host: {error}")


@pytest.fixture
def device(shim: ModuleType, monkeypatch: pytest.MonkeyPatch) -> HostDevice:
    """A device on the host: ``nsa._cuda`` takes tensors of the CPU and launches real kernels."""
    return install(shim, monkeypatch)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reason = None
    if C.cuda_missing:
        reason = f"no kernels: {C.cuda_missing}"
    elif not torch.cuda.is_available():
        reason = "torch sees no GPU"
    for item in items:
        if reason and item.get_closest_marker("needs_cuda"):
            item.add_marker(pytest.mark.skip(reason=reason))
