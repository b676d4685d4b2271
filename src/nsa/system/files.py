"""Files: written so that a crash or a full disk never leaves half of one, and YAML."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from nsa.errors import InputError


def write_atomically(path: Path, content: bytes | str) -> None:
    """Replace ``path`` by ``content``, or leave it as it was.

    Args:
        content: text is written as UTF-8; names of files in it that are not UTF-8 as they are.

    Raises:
        InputError: the file cannot be written: disk full, folder read-only or gone.
    """
    # No longer than the name itself may be.
    digest = hashlib.blake2b(os.fsencode(path.name), digest_size=8).hexdigest()
    temporary = path.with_name(f".{digest}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            if isinstance(content, str):
                content = content.encode(errors="surrogateescape")
            file.write(content)
            file.flush()
            os.fsync(file.fileno())  # or the rename could reach the disk before the content
        os.replace(temporary, path)  # noqa: PTH105
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        if not isinstance(error, OSError):  # Ctrl-C
            raise
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


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML file that must hold names and values at the top.

    Raises:
        InputError: it is missing or does not.
    """
    import yaml  # not before: --help does without

    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror or error}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path} is not valid YAML: {reason}.") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise InputError(f"{path} must hold names and values, one 'name: value' a line.")
    return values


def to_yaml(values: dict[str, Any]) -> str:
    """YAML in the order given, short lists on one line."""
    import yaml

    return yaml.safe_dump(values, sort_keys=False, default_flow_style=None, allow_unicode=True)
