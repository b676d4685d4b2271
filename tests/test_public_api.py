"""What is public, and what it costs to import."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys

import pytest

import nsa

MODULES = [module.name for module in pkgutil.iter_modules(nsa.__path__)]
DOORS = ("train", "evaluate", "predict")


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=False, timeout=300
    )


def test_every_public_name_is_there() -> None:
    for name in nsa.__all__:
        assert getattr(nsa, name) is not None
        assert name in dir(nsa)
    assert nsa.metrics.auroc is importlib.import_module("nsa.metrics").auroc
    with pytest.raises(AttributeError, match="module 'nsa' has no attribute 'lod'"):
        nsa.lod  # noqa: B018


def test_importing_loads_next_to_nothing() -> None:
    loaded = "import sys, nsa; print(*sys.modules)"
    names = set(python("-c", loaded).stdout.split())
    assert "nsa" in names
    assert not names & {"torch", "numpy", "numba", "yaml", "typer", "rich", "matplotlib"}


def test_detecting_loads_no_training() -> None:
    code = (
        "import sys, torch, nsa.detectors.network.detector, nsa.runs.predict\n"
        "from nsa.detectors.registry import methods; methods()\n"
        "print(*sys.modules)"
    )
    ran = python("-c", code)
    assert ran.returncode == 0, ran.stderr
    names = set(ran.stdout.split())
    assert "nsa.detectors.network.detector" in names
    assert not names & {"nsa.training", "nsa.plan.draw", "numba", "matplotlib", "sklearn"}


def test_the_command_line_loads_no_torch() -> None:
    names = set(python("-c", "import sys, nsa.cli.app; print(*sys.modules)").stdout.split())
    assert "nsa.cli.app" in names
    assert not names & {"torch", "numpy", "numba", "matplotlib", "safetensors"}


@pytest.mark.parametrize("name", ["nsa", *(f"nsa.{door}" for door in DOORS)])
def test_doors_open(name: str) -> None:
    ran = python("-m", name, "--help")
    assert ran.returncode == 0, ran.stderr
    assert "Usage: nsa" in ran.stdout


def test_what_is_no_door_cannot_be_run() -> None:
    """Every command that has no door is no module, and every other package refuses to be run."""
    for command in ("calibrate", "export", "synthesize", "info"):
        assert command not in MODULES
    packages = [module.name for module in pkgutil.iter_modules(nsa.__path__) if module.ispkg]
    for name in packages:
        assert importlib.util.find_spec(f"nsa.{name}.__main__") is None
