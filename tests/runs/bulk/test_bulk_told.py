"""What bulk scoring says: meanwhile, and at the end of the whole table."""

from __future__ import annotations

import logging
import os
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from bulked import Bulk
from watched import put

from nsa.errors import InputError
from nsa.runs.bulk import standing
from nsa.runs.decisions import ANOMALOUS

LIGHT, DARK = 250, 1  # anomalous, and normal


@pytest.fixture
def bulk(tmp_path: Path) -> Bulk:
    return Bulk(tmp_path)


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().err.split())


def test_counts_are_those_of_the_whole_table(
    bulk: Bulk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(7):
        put(bulk.images / f"{number}.png", LIGHT if number < 3 else DARK)
    bulk.score()
    told = said(capsys)
    assert "3 of 7 images anomalous at a false positive rate of" in told
    assert f"7 images scored; results in {bulk.output}, 7 rows in the table." in told
    bulk.score()
    told = said(capsys)
    assert "3 of 7 images anomalous (0 of them new) at a" in told
    assert "0 images scored, 7 known from before; results in" in told
    # One is mended, one breaks, one is gone, and another folder comes into the table.
    put(bulk.images / "0.png", DARK + 1)
    put(bulk.images / "6.png", LIGHT)
    (bulk.images / "5.png").unlink()
    (other := tmp_path / "other").mkdir()
    put(other / "a.png", LIGHT)
    bulk.score(bulk.images, other)
    told = said(capsys)
    assert "4 of 8 images anomalous (2 of them new) at a" in told
    assert "3 images scored, 4 known from before; results in" in told
    assert "8 rows in the table." in told
    assert sum(row["predicted"] == ANOMALOUS for row in bulk.rows()) == 4
    assert len(bulk.rows()) == 8


def test_both_tables_always_have_one_part(bulk: Bulk) -> None:
    bad, good = bulk.images / "bad.png", bulk.images / "good.png"
    put(bad).write_bytes(b"no image")
    for _ in range(3):
        with pytest.raises(InputError, match="1 of 1 file cannot be read"):
            bulk.score()
        assert (len(bulk.parts()), len(bulk.parts("unreadable"))) == (1, 1)
        assert (len(bulk.rows()), len(bulk.rows("unreadable"))) == (0, 1)
    bad.unlink()
    put(good)
    bulk.score()
    for _ in range(3):
        bulk.score()
        assert (len(bulk.parts()), len(bulk.parts("unreadable"))) == (1, 1)
        assert (len(bulk.rows()), len(bulk.rows("unreadable"))) == (1, 0)
    schema = pq.read_schema(bulk.parts("unreadable")[0])
    assert schema.names == ["path", "size", "version", "reason"]


def test_lines_come_though_no_image_does(
    bulk: Bulk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(standing, "_SECONDS_BETWEEN_LINES", 0.01)
    put(bulk.images / "a.png")

    def wait() -> None:
        end = time.monotonic() + 30
        while len(caplog.records) < 3:
            assert time.monotonic() < end
            time.sleep(0.01)

    bulk.detector.before = wait  # type: ignore[method-assign]
    with caplog.at_level(logging.INFO, "nsa"):
        bulk.score()
    lines = [record.getMessage() for record in caplog.records]
    assert lines[1] == (
        "0 scored, 0 anomalous, 0 unreadable, 0 known; 0.0 images/s, waiting for the next images."
    )


@pytest.mark.skipif(sys.platform != "linux", reason="names are text on other systems")
def test_a_name_that_is_no_text_may_be_unreadable(bulk: Bulk) -> None:
    (bulk.images / os.fsdecode(b"\xff.png")).symlink_to("nowhere")
    put(bulk.images / "a.png")
    with pytest.raises(InputError, match=r"1 of 2 files cannot be read \(file://.*%FF.png: cannot"):
        bulk.score()
    [row] = bulk.rows("unreadable")
    assert row["reason"] == "cannot be read: No such file or directory."
