"""A table that is continued after whatever has ended the process before."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
from watched import logged

from nsa.errors import InputError
from nsa.runs.watch.table import LastingTable

COLUMNS = ("path", "n")
WHOLE = b'path,n\na,1\n"b ""x"",\nc",2\n\xff,3\n'


def opened(path: Path, **more: Any) -> tuple[list[dict[str, str]], bytes]:
    """The lines that are taken, and what is left of the file."""
    found: list[dict[str, str]] = []

    def take(line: dict[str, str]) -> bool:
        found.append(line)
        return True

    with LastingTable(path, COLUMNS, **{"take": take, **more}):
        pass
    return found, path.read_bytes()


def test_lines_are_there_when_they_are_added_and_are_read_again(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    with LastingTable(path, COLUMNS) as table:
        assert path.read_bytes() == b"path,n\n"
        table.add([("a", 1), ('b "x",\nc', 2)])
        table.add([(os.fsdecode(b"\xff"), 3)])
        assert path.read_bytes() == WHOLE
    found, left = opened(path)
    assert [line["path"] for line in found] == ["a", 'b "x",\nc', os.fsdecode(b"\xff")]
    assert left == WHOLE


@pytest.mark.parametrize("end", range(len(WHOLE) + 1))
def test_a_line_that_was_cut_is_removed_wherever(end: int, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(WHOLE[:end])
    ends = [0, 7, 11, len(WHOLE) - 4, len(WHOLE)]
    kept = max(one for one in ends if one <= end)
    with logged() as said:
        found, left = opened(path)
    told = ["ended in what a process had not finished" in line for line in said]
    assert told == [True] * (end > kept)
    assert left == WHOLE[: max(kept, 7)]
    assert len(found) == max(0, ends.index(kept) - 1)
    with LastingTable(path, COLUMNS) as table:
        table.add([("new", 9)])
    assert path.read_bytes() == left + b"new,9\n"


def test_zeros_that_a_loss_of_power_left_are_removed(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(WHOLE + bytes(300))
    assert opened(path)[1] == WHOLE


def test_lines_that_do_not_belong_there_end_it(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(WHOLE)
    assert opened(path, take=lambda line: line["n"] != "2")[1] == b"path,n\na,1\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"other,n\na,1\n", "has other columns than path,n; choose another --output"),
        (b"path,n\na,1,2\nb,1\n", "is damaged in line 2"),
    ],
)
def test_another_table_is_refused_and_left(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        opened(path)
    assert path.read_bytes() == content
    with pytest.raises(InputError, match=r"Cannot write .*: Is a directory"):
        opened(tmp_path)


def test_a_full_disk_cuts_no_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "t.csv"
    with LastingTable(path, COLUMNS) as table:
        table.add([("a", 1)])
        whole = table._file

        class Full:
            """Takes three bytes more."""

            def __getattr__(self, name: str) -> Any:
                return getattr(whole, name)

            def write(self, data: memoryview) -> int:
                if whole.tell() > 11:
                    raise OSError(errno.ENOSPC, "No space left")
                return whole.write(data[:3])

        with monkeypatch.context() as patched:
            patched.setattr(table, "_file", Full())
            with pytest.raises(InputError, match=r"Cannot write .*t\.csv: No space left\."):
                table.add([("b", 2)])
        assert path.read_bytes() == b"path,n\na,1\n"
        table.add([("c", 3)])
    assert path.read_bytes() == b"path,n\na,1\nc,3\n"
