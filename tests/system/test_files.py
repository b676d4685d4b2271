"""Files that are written whole or not at all."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from nsa.errors import InputError
from nsa.system.files import write_csv


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
