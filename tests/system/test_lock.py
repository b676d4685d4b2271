"""A folder of results is changed by one process at a time."""

from __future__ import annotations

import errno
import os
import threading
import time
from pathlib import Path

import pytest

from nsa.errors import InputError
from nsa.system import lock
from nsa.system.files import atomic_file
from nsa.system.lock import FolderLock, empty_folder


def test_a_lock_removes_what_was_left_and_nothing_else(tmp_path: Path) -> None:
    names = {"config.yaml", ".checkpoint.safetensors.nsa-tmp", ".nsa-tmp.txt", ".other.tmp"}
    for name in names:
        (tmp_path / name).touch()
    with FolderLock(tmp_path):
        pass
    assert {entry.name for entry in tmp_path.iterdir()} == names - {
        ".checkpoint.safetensors.nsa-tmp"
    }


def test_what_another_process_writes_stays(tmp_path: Path) -> None:
    with atomic_file(tmp_path / "detector.onnx") as file:
        file.write(b"detector")
        file.flush()
        with FolderLock(tmp_path):
            pass
    assert (tmp_path / "detector.onnx").read_bytes() == b"detector"


def test_an_owner_that_leaves_meanwhile_gives_a_new_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the opening of the file and its lock the owner removes it: that lock is nobody's."""
    (tmp_path / "config.yaml").touch()
    first, second = FolderLock(tmp_path), FolderLock(tmp_path)
    first.__enter__()
    taken = lock.lock_file

    def leave_first(file: int) -> None:
        first.__exit__()
        taken(file)

    monkeypatch.setattr(lock, "lock_file", leave_first)
    with second:
        assert second._file is not None
        assert os.path.samestat(os.fstat(second._file), (tmp_path / ".lock").stat())
        monkeypatch.setattr(lock, "lock_file", taken)
        with pytest.raises(InputError, match="Another run is using"), FolderLock(tmp_path):
            pass
    assert not (tmp_path / ".lock").exists()


def test_a_drive_without_locks_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_file: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(lock, "lock_file", fail)
    with pytest.raises(InputError) as raised, FolderLock(tmp_path):
        pass
    assert str(raised.value) == (
        f"The folder {tmp_path} cannot be locked (No locks available); choose an --output on "
        "another drive."
    )


def test_an_emptied_folder_keeps_its_lock(tmp_path: Path) -> None:
    (tmp_path / "results" / "deep").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "kept").touch()
    (tmp_path / "results" / "link").symlink_to(tmp_path / "outside")
    (tmp_path / "results" / "model.safetensors").touch()
    with FolderLock(tmp_path / "results"):
        empty_folder(tmp_path / "results")
        assert [entry.name for entry in (tmp_path / "results").iterdir()] == [".lock"]
    assert (tmp_path / "outside" / "kept").is_file()


def test_a_folder_is_used_by_one_run(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").touch()
    with FolderLock(tmp_path):
        with pytest.raises(InputError) as raised, FolderLock(tmp_path):
            pass
        assert str(raised.value) == (
            f"Another run is using the folder {tmp_path}; wait for it or choose another --output."
        )
        with pytest.raises(InputError), FolderLock(tmp_path):  # the failure has not released it
            pass
    with FolderLock(tmp_path):  # free again
        pass


def test_parts_of_a_folder_are_used_at_once(tmp_path: Path) -> None:
    with FolderLock(tmp_path, part="fold-0"):
        with FolderLock(tmp_path, part="fold-1"):
            assert (tmp_path / ".fold-1.lock").is_file()
        with pytest.raises(InputError, match="Another run"), FolderLock(tmp_path, part="fold-0"):
            pass
    assert list(tmp_path.iterdir()) == []  # it stays: others may be about to use it


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_the_lock_ends_with_its_process(tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:
        try:
            FolderLock(tmp_path).__enter__()
        finally:
            os._exit(7)  # without leaving the block
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert (tmp_path / ".lock").is_file()
    with FolderLock(tmp_path):
        pass
    assert not tmp_path.exists()  # nothing was in it


def test_no_file_stays_open(tmp_path: Path) -> None:
    owner = FolderLock(tmp_path)
    with owner:
        assert owner._file is not None
        held = owner._file
    with pytest.raises(OSError, match="Bad file descriptor") as raised:
        os.fstat(held)
    assert raised.value.errno == errno.EBADF


def test_a_folder_that_cannot_be_locked_is_named(tmp_path: Path) -> None:
    path = tmp_path / "gone"
    with pytest.raises(InputError) as raised, FolderLock(path):
        pass
    assert str(raised.value) == (
        f"Cannot write to the folder {path}: No such file or directory; choose another --output."
    )


def test_a_lock_is_waited_for(tmp_path: Path) -> None:
    """As of a process that is still saving; but not for ever."""
    with (
        FolderLock(tmp_path),
        pytest.raises(InputError, match="Another run is using"),
        FolderLock(tmp_path, wait=0.3),
    ):
        pass
    folder = tmp_path / "results"
    folder.mkdir(parents=True)  # the first lock has taken the empty folder with it
    (folder / "model").touch()
    taken, done = threading.Event(), threading.Event()

    def use() -> None:
        with FolderLock(folder):
            taken.set()
            time.sleep(0.5)
            done.set()

    other = threading.Thread(target=use)
    other.start()
    assert taken.wait(30)
    with FolderLock(folder, wait=30):
        assert done.is_set()
    other.join()
