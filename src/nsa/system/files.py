"""Files, written so that a crash or a full disk never leaves half of one."""

from __future__ import annotations

import contextlib
import csv
import io
import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from nsa.errors import InputError


def write_atomically(path: Path, content: bytes | str) -> None:
    """Replace ``path`` by ``content``, or leave it as it was.

    Raises:
        InputError: the file cannot be written: disk full, folder read-only or gone.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())  # or the rename could reach the disk before the content
        os.replace(temporary, path)  # noqa: PTH105
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        kept = "; the earlier version is untouched" if path.exists() else ""
        raise InputError(f"Cannot write {path}: {error.strerror or error}{kept}.") from error


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a table with a heading as :func:`write_atomically` does.

    Args:
        path: the file.
        columns: the names of the columns.
        rows: the values of every line: None is an empty cell, a float keeps all its digits.

    Raises:
        InputError: the file cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    write_atomically(path, text.getvalue())


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
