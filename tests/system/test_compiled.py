"""Compiled functions where their cache has no place, is damaged, or cannot be written."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numba
import pytest

from nsa.system.compiled import compiled


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A function in a file of its own, and an empty folder to work in."""
    path = tmp_path / "code" / "doubling.py"
    path.parent.mkdir()
    path.write_text("def twice(x):\n    return 2 * x\n")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return path


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def anew(script: Path) -> Any:
    """The function as another process compiles it."""
    return compiled(runpy.run_path(str(script))["twice"])


def hits(function: Any) -> int:
    """How much of the code was on disk, once the function has run."""
    assert function(21) == 42
    return len(function.stats.cache_hits)


@pytest.mark.parametrize("home", ["none", "relative", "a file"])
def test_without_a_place_every_process_compiles(
    script: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: str
) -> None:
    """Not even the superuser can make a folder where a file is."""
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    (script.parent / "__pycache__").write_text("in the way")
    if home == "none":  # of an account that is unknown here, as in containers
        monkeypatch.setattr("os.path.expanduser", lambda path: path)
    else:
        (tmp_path / "occupied").write_text("in the way")
        monkeypatch.setenv("HOME", "some" if home == "relative" else str(tmp_path / "occupied"))
    function = anew(script)
    assert function.stats.cache_path is None
    assert hits(function) == 0
    assert not list(Path.cwd().iterdir())


@pytest.mark.parametrize("damage", [None, b"", b"\x80noise", b"cut"])
@pytest.mark.parametrize("kind", ["nbi", "nbc"])
def test_a_damaged_cache_is_made_anew(
    script: Path, cache: Path, damage: bytes | None, kind: str
) -> None:
    assert hits(anew(script)) == 0
    assert hits(anew(script)) == 1
    (path,) = cache.rglob(f"*.{kind}")
    whole = path.read_bytes()
    path.unlink()
    if damage is not None:
        path.write_bytes(whole[: len(whole) // 2] if damage == b"cut" else damage)
    assert hits(anew(script)) == 0
    assert hits(anew(script)) == 1


def test_a_cache_that_cannot_be_written_costs_nothing(script: Path, cache: Path) -> None:
    """The place is there when it is looked for, and gone when the code is to be kept."""
    function = anew(script)
    (folder,) = cache.iterdir()
    folder.rmdir()
    folder.write_text("in the way")
    assert hits(function) == 0
    assert folder.is_file()


def test_the_gil_is_released(script: Path) -> None:
    assert anew(script).targetoptions["nogil"]
