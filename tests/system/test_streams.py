"""Standard output and error that lose their reader, in processes of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no POSIX pipes")

WORK = """
import sys
from nsa.system.streams import outlast_readers
below = outlast_readers()
for number in range(1000):
    print("result", number)
    print("log \u00e4", number, file=sys.stderr)
sys.stdout.flush()
lost = below is not None and below.lost
open(sys.argv[1], "w").write(f"done, {lost.strerror if lost else 'nothing lost'}")
"""


def run(redirected: str, tmp_path: Path) -> tuple[int, str]:
    """What a shell runs: how it ended, and what it wrote last."""
    done = tmp_path / "done"
    command = f'"$1" -c "$2" "$3" {redirected}'
    arguments = ["bash", "-c", command, "bash", sys.executable, WORK, str(done)]
    status = subprocess.run(arguments, capture_output=True, check=False).returncode
    return status, done.read_text()


@pytest.mark.parametrize(
    "redirected",
    [
        "| true; exit ${PIPESTATUS[0]}",
        "2>&1 >/dev/null | true; exit ${PIPESTATUS[0]}",
        "2>&1 | true; exit ${PIPESTATUS[0]}",
        ">&-",
        ">&- 2>&-",
    ],
)
def test_nobody_reads(redirected: str, tmp_path: Path) -> None:
    assert run(redirected, tmp_path) == (0, "done, nothing lost")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_remembered(tmp_path: Path) -> None:
    assert run(">/dev/full 2>/dev/full", tmp_path) == (0, "done, No space left on device")


def test_what_is_read_is_all_there(tmp_path: Path) -> None:
    arguments = [sys.executable, "-c", WORK, str(tmp_path / "done")]
    done = subprocess.run(arguments, capture_output=True, check=True, encoding="utf-8")
    assert done.stdout.splitlines() == [f"result {number}" for number in range(1000)]
    assert done.stderr.splitlines() == [f"log ä {number}" for number in range(1000)]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_command_says_that_its_results_are_lost() -> None:
    command = '"$1" -m nsa --help >/dev/full'
    arguments = ["bash", "-c", command, "bash", sys.executable]
    done = subprocess.run(arguments, capture_output=True, check=False, encoding="utf-8")
    assert done.returncode == 2
    assert done.stderr == "Error: Cannot write to standard output: No space left on device.\n"
