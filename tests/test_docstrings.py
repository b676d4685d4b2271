"""The examples in docstrings and in the pages of the documentation say what is true."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

import nsa

_DOCS = Path(__file__).parents[1] / "docs"
_PROMPT = ">>>"
# Examples of what takes a finished run or fetched weights, which the tours of the documentation
# run, of a training that is going on, or of a package that is not among those of the tests.
_SHOWN = {"nsa.detectors.detector", "nsa.gaussian.detector", "nsa.gaussian.map_moments"}
_SHOWN |= {"nsa.model.forms"}
_SHOWN |= {
    f"nsa.integrations.anomalib.{name}" for name in ("features", "generator", "model", "run")
}
_SOURCE = Path(nsa.__file__).parent
_MODULES = [
    ".".join(file.relative_to(_SOURCE.parent).with_suffix("").parts).removesuffix(".__init__")
    for file in sorted(_SOURCE.rglob("*.py"))
    if _PROMPT in file.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("name", [name for name in _MODULES if name not in _SHOWN])
def test_docstrings_are_true(name: str) -> None:
    found = doctest.testmod(importlib.import_module(name))
    assert found.attempted
    assert not found.failed


@pytest.mark.parametrize("name", sorted(_SHOWN))
def test_what_is_only_shown_is_still_there(name: str) -> None:
    assert name in _MODULES


PAGES = [
    str(page.relative_to(_DOCS))
    for page in sorted(_DOCS.rglob("*.md"))
    if _PROMPT in page.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("page", PAGES)
def test_pages_are_true(page: str) -> None:
    found = doctest.testfile(str(_DOCS / page), module_relative=False, encoding="utf-8")
    assert found.attempted
    assert not found.failed
