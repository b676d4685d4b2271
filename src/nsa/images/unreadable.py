"""Where all files are listed that cannot be read, when they are more than a message names."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from nsa.errors import InputError
from nsa.system.files import csv_text


def list_all(failures: Mapping[int, InputError], paths: Iterable[str | Path]) -> str:
    """Write a CSV file of ``path`` and ``reason`` into the folder of temporary files.

    Args:
        failures: why files cannot be read, by their place in ``paths``.

    Returns:
        A sentence that says where it is, or why there is none.
    """
    named = list(paths)
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="nsa-unreadable-", suffix=".csv", delete=False,
            newline="", encoding="utf-8", errors="surrogateescape",
        ) as file:  # fmt: skip
            lines = [(named[index], failures[index]) for index in sorted(failures)]
            file.write(csv_text([("path", "reason"), *lines]))
    except OSError as error:
        return f"No list of all can be written: {error.strerror or error}."
    return f"All are listed in {file.name}."
