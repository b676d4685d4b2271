"""Bulk scoring on a Ray cluster gives the rows that this machine gives, each once."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import cv2
import pytest
from bulked import rows_in
from isolated import run_isolated
from tiny import nsa, picture, write

pytestmark = pytest.mark.thorough

SCRIPT = Path(__file__).parents[1] / "bulk_on_ray.py"
COUNT, SIDE = 40, 1000  # 120 MB of pixels, none of which enters an object store


def comparable(folder: Path) -> dict[str, dict[str, Any]]:
    """Rows by path, without what no two calls have in common."""
    found = rows_in(folder)
    rows = {row.pop("path"): row for row in found}
    assert len(rows) == len(found)
    for row in rows.values():
        row.pop("judged_at", None)
    return rows


def test_a_cluster_that_loses_a_node_gives_the_same_rows(
    gaussian_run: Path, tmp_path: Path, fresh_seed: int
) -> None:
    images = tmp_path / "images"
    for number in range(COUNT):
        small = picture(fresh_seed + number, defect=number % 4 == 0)[0]
        write(images / f"{number % 3}" / f"{number}.png", cv2.resize(small, (SIDE, SIDE)))
    (images / "0" / "0.png").write_bytes(b"no image")
    (tmp_path / "run").symlink_to(gaussian_run)
    said = run_isolated(str(SCRIPT), tmp_path)
    here = nsa("predict", gaussian_run, images, "--output", tmp_path / "here", "--format=parquet")
    assert here.exit_code == 2
    assert f"1 of {COUNT} files cannot be read" in here.stderr
    for name in ("cores", "gpu"):
        assert said[name].startswith(f"1 of {COUNT} files cannot be read (")
    unknown = "device must be 'auto', 'cpu' or 'cuda', got 'abacus'; 0 images of this call"
    assert said["nothing"].startswith(unknown)
    lost = (
        r"The head of the Ray cluster, \S+, is lost: .*; \d+ images? of this call scored in .*/lost"
    )
    assert re.fullmatch(f"{lost}; the same command continues.", said["lost head"])
    expected = comparable(tmp_path / "here" / "scores")
    assert len(expected) == COUNT - 1
    for name in ("cores", "gpu"):
        rows = comparable(tmp_path / name / "scores")
        assert rows.keys() == expected.keys()
        for path, row in rows.items():
            same = expected[path]
            for column in ("key", "size", "version", "sha256", "height", "width", "predicted"):
                assert row[column] == same[column]
            # Groups are others, and with them the last digits of what a network computes.
            for column in ("raw_score", "score"):
                assert row[column] == pytest.approx(same[column], rel=1e-5)
            assert row["defect_share"] == pytest.approx(same["defect_share"], abs=1e-4)
            peaks = [[one["peak"] for one in found["regions"][:1]] for found in (row, same)]
            assert peaks[0] == pytest.approx(peaks[1], rel=1e-5)
        [unreadable] = rows_in(tmp_path / name / "unreadable")
        assert unreadable["reason"].startswith("cannot be read: ")
