"""Packages that import their names when they are asked for."""

from __future__ import annotations

import importlib
import importlib.util
import subprocess
import sys

import pytest

PACKAGES = ("nsa.images", "nsa.plan")


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_is_there(package: str) -> None:
    module = importlib.import_module(package)
    for name in module.__all__:
        assert getattr(module, name) is vars(module)[name]
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'nothing'"):
        _ = module.nothing


@pytest.mark.parametrize("package", PACKAGES)
def test_no_module_hides_a_public_name(package: str) -> None:
    module = importlib.import_module(package)
    for name in module.__all__:
        assert importlib.util.find_spec(f"{package}.{name}") is None


@pytest.mark.parametrize(
    ("statement", "slow"),
    [
        ("from nsa.images.layouts import dataset_names; dataset_names()", "torch numpy PIL"),
        ("from nsa.images import open_dataset", "torch numpy PIL"),
        ("from nsa.images import center_crop, load_images, to_network_input", "numba"),
        ("from nsa.plan import draw_augmentation", "numba torch"),
        ("from nsa.jobs import worker", "torch numpy"),  # which has to set their threads first
        ("from nsa.report import examples, overlay, tables", "matplotlib"),
    ],
)
def test_what_is_slow_to_import_waits(statement: str, slow: str) -> None:
    found = f"[name for name in {slow.split()} if name in sys.modules]"
    code = f"import sys; {statement}; sys.exit(' '.join({found}) or 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
