"""Files that are written whole or not at all."""

from __future__ import annotations

import csv
import errno
import os
from pathlib import Path
from typing import Any

import pytest

from nsa.errors import InputError
from nsa.system import files
from nsa.system.files import (
    make_folder,
    need_space,
    write_atomically,
    write_csv,
)

ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


def left(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


@pytest.mark.parametrize("content", [b"\x00\r\n\xff", "ä\r\nb", b"", ""])
def test_what_was_given_is_written(content: bytes | str, tmp_path: Path) -> None:
    path = tmp_path / "file.bin"
    for before in (None, b"something longer than what replaces it"):
        if before is not None:
            path.write_bytes(before)
        write_atomically(path, content)
        assert path.read_bytes() == (content.encode() if isinstance(content, str) else content)
    assert left(tmp_path) == ["file.bin"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize("before", [None, b"earlier"])
def test_a_write_that_fails_leaves_what_was_there(
    step: str, before: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file.bin"
    if before is not None:
        path.write_bytes(before)

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, step, full)
    with pytest.raises(InputError) as raised:
        write_atomically(path, b"new")
    kept = "; the earlier version is untouched" if before else ""
    assert str(raised.value) == f"Cannot write {path}: No space left on device{kept}."
    assert left(tmp_path) == (["file.bin"] if before else [])
    assert before is None or path.read_bytes() == before


def test_the_content_reaches_the_disk_before_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, done = tmp_path / "file.bin", []
    replace = os.replace
    monkeypatch.setattr(os, "fsync", lambda file: done.append(("fsync", os.fstat(file).st_size)))
    monkeypatch.setattr(os, "replace", lambda *to: (done.append(("replace", 0)), replace(*to)))
    write_atomically(path, b"12345")
    assert done == [("fsync", 5), ("replace", 0)]


def test_a_folder_that_is_gone_is_named(tmp_path: Path) -> None:
    path = tmp_path / "gone" / "file.bin"
    with pytest.raises(InputError) as raised:
        write_atomically(path, b"")
    assert str(raised.value) == f"Cannot write {path}: No such file or directory."


def test_a_table_is_read_back_to_the_last_digit(tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    write_csv(path, ["path", "score"], [["a, b.png", 0.1 + 0.2], ['"c".png', None], ["d", 3]])
    assert path.read_bytes().startswith(b"path,score\n")
    assert b"\r" not in path.read_bytes()
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows == [
        {"path": "a, b.png", "score": "0.30000000000000004"},
        {"path": '"c".png', "score": ""},
        {"path": "d", "score": "3"},
    ]


def test_a_table_that_fails_leaves_the_earlier_one(tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    write_csv(path, ["score"], [[1.0]])
    with pytest.raises(ZeroDivisionError):
        write_csv(path, ["score"], ([1 / divisor] for divisor in (1, 0)))
    assert path.read_text() == "score\n1.0\n"
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match=r"Cannot write .*folder"):
        write_csv(tmp_path / "folder", ["score"], [[1.0]])
    assert [path.name for path in tmp_path.glob(".*")] == []


def test_space_that_is_missing_is_told_in_megabytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = files.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(
        files.shutil,
        "disk_usage",
        lambda folder: usage._replace(free=25_000_000 * (folder == tmp_path)),
    )
    need_space(tmp_path, 25_000_000)
    with pytest.raises(InputError) as raised:
        need_space(tmp_path, 74_400_000)
    assert str(raised.value) == (
        f"{tmp_path} has 25 MB free, but this needs 74 MB; free some or choose another --output."
    )
    with pytest.raises(InputError):
        need_space(tmp_path, 25_000_001)


def test_folders_are_made_with_their_parents_and_kept(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    make_folder(folder)
    (folder / "kept").touch()
    make_folder(folder)
    assert left(folder) == ["kept"]


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError) as raised:
        make_folder(tmp_path / "file")
    assert str(raised.value) == f"{tmp_path}/file is a file, not a folder; choose another --output."
    below = tmp_path / "file" / "below"
    with pytest.raises(InputError) as raised:
        make_folder(below)
    assert str(raised.value) == (
        f"Cannot create the folder {below}: Not a directory; choose another --output."
    )


@pytest.mark.skipif(ROOT, reason="root writes anywhere")
@pytest.mark.parametrize("mode", [0o555, 0o600])
def test_a_read_only_folder_is_named(mode: int, tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir(mode=mode)
    with pytest.raises(
        InputError, match=r"^The folder .*locked is read-only; choose another --out"
    ):
        make_folder(folder)


def test_a_folder_that_may_not_be_used_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As above, also for root: both to write in it and to enter it are asked for."""
    asked = []
    monkeypatch.setattr(os, "access", lambda _, mode: asked.append(mode))
    with pytest.raises(InputError) as raised:
        make_folder(tmp_path)
    assert str(raised.value) == f"The folder {tmp_path} is read-only; choose another --output."
    assert asked == [os.W_OK | os.X_OK]
