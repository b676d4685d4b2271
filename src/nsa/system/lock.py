"""Folders of results that one process at a time may change."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Collection
from pathlib import Path

from nsa.errors import InputError
from nsa.system.files import is_unfinished, lock_file, remove_unfinished, same_file

SECONDS_TO_SAVE = 60.0  # that a process may take which was told to end
_LOCK = ".lock"
_SECONDS_BETWEEN_LOOKS = 0.2


class FolderLock:
    """Exclusive use of a folder of results, or of a part of it, while a ``with`` block lasts.

    The operating system drops the lock when the process ends, however it ends. Its file goes with
    the block, and the folder too if nothing is in it then; what a process that was killed had begun
    to write goes at the start.

    Args:
        path: the folder.
        wait: seconds to wait for a process that has it.
        part: of the folder, by a name, which is all that is meant: processes may have others, and
            the folder stays.
    """

    def __init__(self, path: Path, wait: float = 0.0, part: str = "") -> None:
        self._path, self._wait, self._part = path, wait, part
        self._name = path / (f".{part}{_LOCK}" if part else _LOCK)
        self._file: int | None = None

    def __enter__(self) -> None:
        until = time.monotonic() + self._wait
        while self._file is None:
            self._file = self._lock(until)
        try:
            remove_unfinished(self._path)
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_: object) -> None:
        if self._file is None:
            return
        with contextlib.suppress(OSError):  # read-only by now, or mounted
            self._name.unlink(missing_ok=True)
            if not self._part:
                self._path.rmdir()
        os.close(self._file)
        self._file = None

    def _lock(self, until: float) -> int | None:
        """The locked file; None if it is to be tried again.

        That is until a time, or if it is no longer that of the folder: its owner has just left.
        """
        try:
            file = os.open(self._name, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise InputError(
                f"Cannot write to the folder {self._path}: {error.strerror or error}; choose "
                "another --output."
            ) from error
        try:
            lock_file(file)
        except BlockingIOError as error:
            os.close(file)
            if time.monotonic() < until:
                time.sleep(_SECONDS_BETWEEN_LOOKS)
                return None
            raise InputError(
                f"Another run is using the folder {self._path}; wait for it or choose another "
                "--output."
            ) from error
        except OSError as error:
            os.close(file)
            raise InputError(
                f"The folder {self._path} cannot be locked ({error.strerror or error}); choose an "
                "--output on another drive."
            ) from error
        if same_file(file, self._name):
            return file
        os.close(file)
        return None


def is_unused(path: Path, apart_from: Collection[str] = ()) -> bool:
    """Whether nothing lies in a folder but what a process may have left that began to use it.

    Args:
        apart_from: names of files that may lie there besides.
    """
    return all(
        entry.name == _LOCK or entry.name in apart_from or is_unfinished(entry)
        for entry in path.iterdir()
    )


def empty_folder(path: Path) -> None:
    """Remove all that lies in a folder apart from its lock.

    Raises:
        InputError: something cannot be removed.
    """
    for entry in path.iterdir():
        try:
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            elif entry.name != _LOCK:
                entry.unlink()
        except OSError as error:
            raise InputError(f"Cannot remove {entry}: {error.strerror or error}.") from error
