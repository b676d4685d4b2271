"""A table that only grows, of which every whole line outlasts a kill or a loss of power."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nsa.errors import InputError
from nsa.runs.growing import append_lines
from nsa.system.readers import whole_lines

if TYPE_CHECKING:
    from typing_extensions import Self

_log = logging.getLogger("nsa")


class LastingTable:
    """A CSV file that is continued where an earlier process has left it.

    What is no whole line at its end, as a loss of power leaves it, is removed, and the log says so.
    It is used by a ``with`` block.

    Args:
        path: the file.
        columns: the names of the columns, which an earlier file has, too.
        take: gets each line that is there, text by column, and says whether it is to stay: the
            first that is not, is removed with all that follow it.

    Raises:
        InputError: it cannot be written, has other columns, or is damaged.
    """

    def __init__(
        self,
        path: Path,
        columns: Sequence[str],
        take: Callable[[dict[str, str]], bool] = lambda _: True,
    ) -> None:
        self.path = path
        try:
            self._file = path.open("ab", buffering=0)
        except OSError as error:
            raise self._cannot(error) from error
        try:
            self._size = self._known(columns, take)
            if os.fstat(self._file.fileno()).st_size > self._size:
                _log.warning(
                    "%s ended in what a process had not finished when it was killed; that is "
                    "removed.", path,
                )  # fmt: skip
                self._file.truncate(self._size)
            if not self._size:
                self.add([columns])
        except BaseException as error:
            self._file.close()
            if isinstance(error, OSError):
                raise self._cannot(error) from error
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, rows: Iterable[Sequence[Any]]) -> None:
        """Write lines; when this returns they outlast a loss of power.

        Raises:
            InputError: they cannot be written; no line is cut.
        """
        try:
            size = append_lines(self._file, self._size, rows)
            os.fsync(self._file.fileno())
        except OSError as error:
            raise self._cannot(error) from error
        self._size = size

    def _known(self, columns: Sequence[str], take: Callable[[dict[str, str]], bool]) -> int:
        """Go through the lines that are there; the bytes of those that stay."""
        size = 0
        for number, (end, cells) in enumerate(whole_lines(self.path), 1):
            if number == 1 and cells != [*columns]:
                raise InputError(
                    f"{self.path} has other columns than {','.join(columns)}; choose another "
                    "--output."
                )
            if len(cells) != len(columns):
                raise InputError(
                    f"{self.path} is damaged in line {number}: it does not have the {len(columns)} "
                    "columns of the heading; put back a copy of it, or choose another --output."
                )
            if number > 1 and not take(dict(zip(columns, cells, strict=True))):
                return size
            size = end
        return size

    def _cannot(self, error: OSError) -> InputError:
        return InputError(f"Cannot write {self.path}: {error.strerror or error}.")
