"""A table that has its name when it is complete, and keeps its lines until then."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nsa.errors import InputError
from nsa.runs.growing import GrowingTable


def left(folder: Path) -> dict[str, bytes]:
    return {entry.name: entry.read_bytes() for entry in folder.iterdir()}


def test_lines_are_safe_before_the_table_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("earlier")
    with GrowingTable(path, ("path", "score")) as table:
        table.add([["a,b", 0.5]])
        table.add([[os.fsdecode(b"\xff"), None], ["c\nd", 1]])
        assert left(tmp_path) == {
            "t.csv": b"earlier", "t.partial.csv": b'path,score\n"a,b",0.5\n\xff,\n"c\nd",1\n',
        }  # fmt: skip
        table.finish()
    assert left(tmp_path) == {"t.csv": b'path,score\n"a,b",0.5\n\xff,\n"c\nd",1\n'}
    assert table.lines == 3


def test_an_interruption_keeps_the_lines_and_nothing_else(tmp_path: Path) -> None:
    for lines in ([], [["a"]]):
        with GrowingTable(tmp_path / "t.csv", ("path",)) as table:
            table.add(lines)
        assert left(tmp_path) == ({"t.partial.csv": b"path\na\n"} if lines else {})


def test_a_table_that_another_call_writes_is_left_to_it(tmp_path: Path) -> None:
    with GrowingTable(tmp_path / "t.csv", ("path",)) as table:
        table.add([["a"]])
        with pytest.raises(InputError, match=r"Cannot write .*t.partial.csv: File exists"):
            GrowingTable(tmp_path / "t.csv", ("path",))
    with GrowingTable(tmp_path / "t.csv", ("other",), overwrite=True) as table:
        table.finish()
    assert left(tmp_path) == {"t.csv": b"other\n"}


@pytest.mark.parametrize("stop", [OSError(errno.ENOSPC, "No space left"), KeyboardInterrupt()])
def test_a_write_that_fails_cuts_no_line(
    stop: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with GrowingTable(tmp_path / "t.csv", ("path",)) as table:
        table.add([["first"]])
        whole = table._file

        class Full:
            """Takes three bytes more."""

            def __getattr__(self, name: str) -> Any:
                return getattr(whole, name)

            def write(self, data: memoryview) -> int:
                if whole.tell() > 11:
                    raise stop
                return whole.write(data[:3])

        monkeypatch.setattr(table, "_file", Full())
        expected = InputError if isinstance(stop, OSError) else KeyboardInterrupt
        with pytest.raises(expected) as raised:
            table.add([["second"]])
        if isinstance(stop, OSError):
            assert str(raised.value) == f"Cannot write {table.partial}: No space left."
    assert left(tmp_path) == {"t.partial.csv": b"path\nfirst\n"}


KILLED = """
import os, signal, sys
from pathlib import Path
from nsa.runs.growing import GrowingTable

with GrowingTable(Path(sys.argv[1]), ("path",)) as table:
    table.add([["first"]])
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no POSIX signals")
def test_lines_outlast_a_kill(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED, tmp_path / "t.csv"], check=False)
    assert left(tmp_path) == {"t.partial.csv": b"path\nfirst\n"}
