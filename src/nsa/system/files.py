"""Files, written so that a crash or a full disk never leaves half of one."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from nsa.errors import InputError
from nsa.system.places import LONGEST_NAME, named, with_urls_named

_UNFINISHED = ".nsa-tmp"  # ends the names of files that are being written

if sys.platform == "win32":
    import msvcrt

    def lock_file(file: int, *, wait: bool = False) -> None:
        try:
            msvcrt.locking(file, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
        except PermissionError as error:
            raise BlockingIOError(*error.args) from error
else:
    import fcntl

    def lock_file(file: int, *, wait: bool = False) -> None:
        """Lock an open file until it is closed, however its process ends.

        Raises:
            BlockingIOError: another has locked it, and this is not to ``wait``.
            OSError: the file system has no locks.
        """
        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """An open file that replaces ``path`` when the block ends; if it fails, ``path`` stays.

    Until then it has a name of its own beside ``path``, always the same one. So what a process left
    that was killed is taken over by the next one that writes ``path``, and of several that write it
    at the same time each waits for the one before.

    Raises:
        InputError: the file cannot be written: disk full, folder read-only or gone.
    """
    temporary = _unfinished(path)
    try:
        with open_unfinished(path) as file:
            try:
                file.truncate()
                yield file
                file.flush()
                os.fsync(file.fileno())  # or the rename could reach the disk before the content
                if sys.platform == "win32":
                    file.close()
                os.replace(temporary, path)  # noqa: PTH105
            except BaseException:
                with contextlib.suppress(OSError):
                    temporary.unlink(missing_ok=True)
                raise
    except OSError as error:
        # That of pathlib fails for a name that is too long.
        kept = "; the earlier version is untouched" if os.path.exists(path) else ""  # noqa: PTH110
        raise InputError(f"Cannot write {path}: {error.strerror or error}{kept}.") from error


def write_atomically(path: Path, content: bytes | str) -> None:
    """Replace ``path`` by ``content``, or leave it as it was, see :func:`atomic_file`.

    Args:
        content: text is written as UTF-8; names of files in it that are not UTF-8 as they are.

    Raises:
        InputError: the file cannot be written.
    """
    with atomic_file(path) as file:
        file.write(
            content.encode(errors="surrogateescape") if isinstance(content, str) else content
        )


def open_unfinished(path: Path) -> BinaryIO:
    """What is to become ``path``: a file that is locked, by a name that others know as unfinished.

    A process that was killed may have left something in it. Whoever ends it renames or removes it,
    by its ``name``, before closing it.

    Raises:
        OSError: it cannot be made.
    """
    temporary = _unfinished(path)
    file = _locked(temporary)
    while not same_file(file, temporary):  # whoever had it has finished meanwhile
        os.close(file)
        file = _locked(temporary)
    return open(temporary, "w+b", opener=lambda *_: file)  # so that it knows its name


def remove(path: Path) -> None:
    """Remove a file, if it is there.

    Raises:
        InputError: it cannot be removed.
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"Cannot remove {path}: {error.strerror or error}.") from error


def remove_unfinished(folder: Path) -> None:
    """Remove what processes that were killed had begun to write; not what another writes now.

    Raises:
        InputError: the folder cannot be changed.
    """
    for path in folder.glob(f".*{_UNFINISHED}"):
        try:
            with path.open("rb") as file, contextlib.suppress(BlockingIOError):
                lock_file(file.fileno())
                path.unlink()
        except FileNotFoundError:  # finished or removed just now
            continue
        except OSError as error:
            raise InputError(f"Cannot remove {path}: {error.strerror or error}.") from error


def is_unfinished(path: Path) -> bool:
    """Whether a file is one that is being written, or was when its process was killed."""
    return path.name.startswith(".") and path.name.endswith(_UNFINISHED)


def same_file(file: int, path: Path) -> bool:
    """Whether an open file is still the one at ``path``."""
    try:
        return os.path.samestat(os.fstat(file), path.stat(follow_symlinks=False))
    except FileNotFoundError:
        return False


def _unfinished(path: Path) -> Path:
    """What ``path`` is called while it is written; a name that any file system takes."""
    name = f".{path.name}{_UNFINISHED}"
    if len(os.fsencode(name)) > LONGEST_NAME:
        digest = hashlib.blake2b(os.fsencode(path.name), digest_size=16).hexdigest()
        name = f".{digest}{_UNFINISHED}"
    return path.with_name(name)


def _locked(path: Path) -> int:
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    file = os.open(path, flags, 0o666)
    with contextlib.suppress(OSError):  # some network drives have no locks; nobody waits there
        lock_file(file, wait=True)
    return file


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a table with a heading as :func:`write_atomically` does.

    Args:
        path: the file.
        columns: the names of the columns.
        rows: the values of every line: None is an empty cell, a float keeps all its digits.

    Raises:
        InputError: the file cannot be written.
    """
    write_atomically(path, csv_text([columns, *rows]))


def csv_text(rows: Iterable[Sequence[Any]]) -> str:
    """Lines of a table that end in a line feed alone, with values as for :func:`write_csv`.

    A path that is the copy of a URL is that URL, in the message of an error, too.
    """
    lines: list[str] = []

    class Lines:
        def write(self, line: str) -> None:
            lines.append(line.removesuffix("\r\n") + "\n")

    # Up to Python 3.12 it quotes a carriage return only where its lines end in one.
    plain = ([_cell(value) for value in row] for row in rows)
    csv.writer(Lines(), lineterminator="\r\n").writerows(plain)
    return "".join(lines)


def _cell(value: Any) -> Any:
    if isinstance(value, Path):
        return named(value)
    return with_urls_named(str(value)) if isinstance(value, Exception) else value


def need_space(folder: Path, size: int) -> None:
    """Check that ``size`` bytes can be written to a folder.

    Raises:
        InputError: less is free.
    """
    free = shutil.disk_usage(folder).free
    if free < size:
        raise InputError(
            f"{folder} has {free / 1e6:.0f} MB free, but this needs {size / 1e6:.0f} MB; free some "
            "or choose another --output."
        )


def check_utf8(path: Path) -> None:
    """Refuse a path that libraries cannot open which take UTF-8 alone, as that of safetensors does.

    Raises:
        InputError: it holds other bytes.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"{path} has a name that is not UTF-8, which weights need; rename it, or choose "
            "another --output."
        ) from error


def make_folder(path: Path) -> None:
    """Create a folder and its parents where they are missing.

    Raises:
        InputError: it cannot be created or written to.
    """
    if path.exists() and not path.is_dir():
        raise InputError(f"{path} is a file, not a folder; choose another --output.")
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"Cannot create the folder {path}: {error.strerror or error}; choose another --output."
        ) from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise InputError(f"The folder {path} is read-only; choose another --output.")


def to_yaml(values: dict[str, Any]) -> str:
    """YAML in the order given, short lists on one line."""
    import yaml  # not before: --help does without

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - which are not read
            return True

    return yaml.dump(
        values, Dumper=Dumper, sort_keys=False, default_flow_style=None, allow_unicode=True
    )
