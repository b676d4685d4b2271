"""Compiled functions where their cache has no place, is damaged, or cannot be written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from nsa.system.compiled import compiled

# Compiles a function of a file of its own, and says where its code is kept.
MODULE = """\
from nsa.system.compiled import compiled


@compiled
def twice(x):
    return 2 * x


assert twice(21) == 42
print(twice.stats.cache_path, len(twice.stats.cache_hits))
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    folder = tmp_path / "code"
    folder.mkdir()
    path = folder / "doubling.py"
    path.write_text(MODULE)
    return path


def run(script: Path, home: Path | None, cache: Path | None = None) -> tuple[str, int]:
    """Where the code is kept, and how much of it was found there."""
    variables = {"HOME": str(home)} if home else {}
    if cache:
        variables["NUMBA_CACHE_DIR"] = str(cache)
    # Of an account that is unknown here, as in containers, nobody knows a home.
    unknown = "import os; os.getuid = lambda: 4_000_123; os.path.expanduser = lambda path: path\n"
    code = f"{'' if home else unknown}import runpy; runpy.run_path({str(script)!r})"
    here = script.parent / "here"
    here.mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1", **variables},
        cwd=here,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not list(here.iterdir()), "a folder was made in the current one"
    place, hits = done.stdout.split()
    return place, int(hits)


def test_without_a_place_every_process_compiles(script: Path) -> None:
    """Not even the superuser can make a folder where a file is."""
    (script.parent / "__pycache__").write_text("in the way")
    assert run(script, None) == ("None", 0)
    occupied = script.parent / "home"
    occupied.write_text("in the way")
    assert run(script, occupied) == ("None", 0)


@pytest.mark.parametrize("damage", ["empty", "cut", "noise", "gone"])
@pytest.mark.parametrize("kind", ["nbi", "nbc"])
def test_a_damaged_cache_is_made_anew(script: Path, tmp_path: Path, damage: str, kind: str) -> None:
    home, cache = tmp_path / "home", tmp_path / "cache"
    assert run(script, home, cache)[1] == 0
    (path,) = cache.rglob(f"*.{kind}")
    whole = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes({"empty": b"", "cut": whole[: len(whole) // 2]}.get(damage, b"\x80noise"))
    run(script, home, cache)
    assert run(script, home, cache)[1] == 1


def test_a_cache_that_cannot_be_written_costs_nothing(tmp_path: Path, script: Path) -> None:
    """The place is there when it is looked for, and gone when the code is to be kept."""
    cache = tmp_path / "cache"
    gone = f"import shutil\nshutil.rmtree({str(cache)!r})\nopen({str(cache)!r}, 'w').close()\n"
    script.write_text(MODULE.replace("assert", f"{gone}assert"))
    run(script, tmp_path / "home", cache)
    assert cache.is_file()


def test_the_gil_is_released() -> None:
    assert compiled(lambda x: x).targetoptions["nogil"]
