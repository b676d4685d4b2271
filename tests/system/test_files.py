"""Files that are written whole or not at all."""

from __future__ import annotations

import csv
import errno
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from nsa.errors import InputError
from nsa.system import files
from nsa.system.files import (
    atomic_file,
    is_unfinished,
    make_folder,
    need_space,
    remove,
    write_atomically,
    write_csv,
)
from nsa.system.readers import read_csv

if sys.platform != "win32":
    import resource

ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


def test_what_cannot_be_removed_is_said(tmp_path: Path) -> None:
    remove(tmp_path / "nothing")
    (tmp_path / "file").touch()
    remove(tmp_path / "file")
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError) as raised:
        remove(tmp_path / "folder")
    assert str(raised.value).startswith(f"Cannot remove {tmp_path / 'folder'}: ")
    assert left(tmp_path) == ["folder"]


def test_a_name_that_is_too_long_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"x\.bin: File name too long\.$"):
        write_atomically(tmp_path / f"{'x' * 300}.bin", b"")
    assert left(tmp_path) == []


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


@pytest.mark.parametrize("stop", [KeyboardInterrupt, ValueError])
def test_a_write_that_is_stopped_leaves_what_was_there(
    stop: type[BaseException], tmp_path: Path
) -> None:
    path = tmp_path / "file.bin"
    path.write_bytes(b"earlier")

    def write() -> None:
        with atomic_file(path) as file:
            file.write(b"a part")
            raise stop

    with pytest.raises(stop):
        write()
    assert path.read_bytes() == b"earlier"
    assert left(tmp_path) == ["file.bin"]


@pytest.mark.skipif(sys.platform == "win32", reason="no such limit")
def test_a_disk_that_fills_up_while_it_is_written(tmp_path: Path) -> None:
    """As the system tells it, in the midst of a file, by a limit of the size of files."""
    path = tmp_path / "file.bin"
    path.write_bytes(b"earlier")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    try:
        with pytest.raises(InputError) as raised:
            write_atomically(path, bytes(11_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert str(raised.value) == (
        f"Cannot write {path}: File too large; the earlier version is untouched."
    )
    assert path.read_bytes() == b"earlier"
    assert left(tmp_path) == ["file.bin"]


@pytest.mark.parametrize("name", ["a.png", "ä" * 123 + "x.png", "a" * 250 + ".png", "b" * 255])
def test_a_killed_writers_part_is_taken_over(name: str, tmp_path: Path) -> None:
    """Also where the name is as long as a file system allows."""
    path = tmp_path / name
    script = (
        "import os, sys; from pathlib import Path; from nsa.system.files import atomic_file\n"
        "with atomic_file(Path(sys.argv[1])) as file:\n"
        "    file.write(bytes(100_000)); file.flush(); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", script, str(path)], check=False)
    [part] = tmp_path.iterdir()
    assert part != path
    assert is_unfinished(part)
    assert part.stat().st_size == 100_000
    write_atomically(path, b"whole")
    assert left(tmp_path) == [name]
    assert path.read_bytes() == b"whole"


def test_writers_of_one_file_wait_for_each_other(tmp_path: Path) -> None:
    path, count = tmp_path / "file.bin", 8

    def write(number: int) -> None:
        for _ in range(20):
            with atomic_file(path) as file:
                for _ in range(50):
                    file.write(bytes([number]) * 100)
                    file.flush()

    with ThreadPoolExecutor(count) as pool:
        list(pool.map(write, range(count)))
    content = path.read_bytes()
    assert len(content) == 5000
    assert len(set(content)) == 1  # of one writer
    assert left(tmp_path) == ["file.bin"]


def test_a_drive_without_locks_is_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_file: int, **_: bool) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(files, "lock_file", fail)
    write_atomically(tmp_path / "file.bin", b"whole")
    assert (tmp_path / "file.bin").read_bytes() == b"whole"


def test_a_link_in_the_way_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"precious")
    (tmp_path / ".file.bin.nsa-tmp").symlink_to(tmp_path / "other")
    with pytest.raises(InputError, match=r"Cannot write .*file\.bin"):
        write_atomically(tmp_path / "file.bin", b"whole")
    assert (tmp_path / "other").read_bytes() == b"precious"


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


@pytest.mark.parametrize(
    "name", ["a\r", "\ra", "a\nb", "a\r\nb", 'a"b', "a,b", " a", "\x85", "\u2028"]
)
def test_cells_of_a_table_come_back_as_they_were(name: str, tmp_path: Path) -> None:
    write_csv(tmp_path / "table.csv", ("path", "score"), [(name, 0.5), ("plain", None)])
    content = (tmp_path / "table.csv").read_bytes()
    assert content.startswith(b"path,score\n")
    assert content.endswith(b"\nplain,\n")
    lines = read_csv(tmp_path / "table.csv", ("path", "score"))
    assert lines == [{"path": name, "score": "0.5"}, {"path": "plain", "score": ""}]
