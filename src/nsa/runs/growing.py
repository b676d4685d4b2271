"""A table that is there as a whole or not at all, and whose lines are safe while it grows."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Sequence
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nsa.errors import InputError
from nsa.system.files import csv_text, remove

if TYPE_CHECKING:
    from typing_extensions import Self


class GrowingTable:
    """A CSV file that has its name only when it is complete.

    Until then, and after whatever ends the process, its lines are in ``<name>.partial.csv`` beside
    it. A full disk cuts no line; only a kill or a loss of power may cut the last one. An earlier
    file of that name stays as it is until :meth:`finish`.

    It is used by a ``with`` block, which leaves nothing of a table without a line.

    Args:
        path: the file, ending in ``.csv``.
        columns: the names of the columns.
        overwrite: whether it may replace what an earlier call left unfinished.

    Attributes:
        partial: the file that grows.
        lines: how many it has.

    Raises:
        InputError: it cannot be written, or another process is at it.
    """

    def __init__(self, path: Path, columns: Sequence[str], *, overwrite: bool = False) -> None:
        self.path, self.partial = path, partial_name(path)
        self.lines = 0
        self._size = 0
        try:
            self._file = self.partial.open("wb" if overwrite else "xb", buffering=0)
        except OSError as error:
            raise self._cannot(error) from error
        try:
            self._write([columns])
        except BaseException:
            self.__exit__()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        if not self.lines:
            remove(self.partial)

    def add(self, rows: Iterable[Sequence[Any]]) -> None:
        """Write lines; when this returns they outlast the process."""
        rows = list(rows)
        self._write(rows)
        self.lines += len(rows)

    def finish(self) -> None:
        """Give the table its name, in place of an earlier one."""
        try:
            os.fsync(self._file.fileno())
            self._file.close()
            os.replace(self.partial, self.path)  # noqa: PTH105
        except OSError as error:
            raise self._cannot(error) from error

    def _write(self, rows: Iterable[Sequence[Any]]) -> None:
        try:
            self._size = append_lines(self._file, self._size, rows)
        except OSError as error:
            raise self._cannot(error) from error

    def _cannot(self, error: OSError) -> InputError:
        return InputError(f"Cannot write {self.partial}: {error.strerror or error}.")


def append_lines(file: FileIO, size: int, rows: Iterable[Sequence[Any]]) -> int:
    """Write lines to the end of a table; what cannot be written as a whole is taken back.

    Args:
        file: unbuffered, at its end.
        size: how many bytes it has.

    Returns:
        How many it has now.

    Raises:
        OSError: they cannot be written.
    """
    content = memoryview(csv_text(rows).encode(errors="surrogateescape"))
    written = 0
    try:
        while written < len(content):
            written += file.write(content[written:])
    except BaseException:  # Ctrl-C too
        with contextlib.suppress(OSError):  # a disk that fails at this too leaves a cut line
            file.truncate(size)
        raise
    return size + written


def partial_name(path: Path) -> Path:
    """What a growing table is called until it is complete."""
    return path.with_name(f"{path.stem}.partial{path.suffix}")
