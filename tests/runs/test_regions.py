"""Regions of maps against a flood fill, and their tables."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from nsa.errors import InputError
from nsa.runs import regions as module
from nsa.runs.regions import COLUMNS, Region, RegionTables, find_regions, usual_threshold


def filled(
    anomaly_map: npt.NDArray[np.float32], threshold: float, ignored: npt.NDArray[np.bool_] | None
) -> list[Region]:
    """The same, slow: pixel after pixel by flood fill."""
    rows, columns = anomaly_map.shape
    open_pixels = {
        (y, x)
        for y in range(rows)
        for x in range(columns)
        if anomaly_map[y, x] > threshold and not (ignored is not None and ignored[y, x])
    }
    regions = []
    while open_pixels:
        waiting = [open_pixels.pop()]
        pixels = []
        while waiting:
            y, x = waiting.pop()
            pixels.append((y, x))
            for near in [(y + down, x + right) for down in (-1, 0, 1) for right in (-1, 0, 1)]:
                if near in open_pixels:
                    open_pixels.remove(near)
                    waiting.append(near)
        ys, xs = zip(*pixels, strict=True)
        values = [float(anomaly_map[pixel]) for pixel in pixels]
        regions.append(
            Region(
                min(xs), min(ys), max(xs) - min(xs) + 1, max(ys) - min(ys) + 1, len(pixels),
                len(pixels) / (rows * columns), max(values), math.fsum(values) / len(values),
            )
        )  # fmt: skip
    return sorted(regions, key=lambda one: (-one.peak, one.y, one.x))


def same(found: list[Region], expected: list[Region]) -> None:
    """All is equal but the mean, whose sum in float64 may be rounded in another order."""
    assert [one[:-1] for one in found] == [one[:-1] for one in expected]
    assert [one.mean for one in found] == pytest.approx([one.mean for one in expected], rel=1e-12)


@pytest.mark.parametrize("case", range(40))
def test_regions_are_those_of_a_flood_fill(case: int, fresh_seed: int) -> None:
    random = np.random.default_rng((fresh_seed, case))
    shape = tuple(int(side) for side in random.integers(1, 40, 2))
    values = random.normal(size=shape).astype(np.float32)
    values[random.random(shape) < 0.05] = np.nan
    # From single pixels over many regions to nearly everything.
    threshold = float(random.choice([-2, -0.5, 0, 0.3, 0.7, 1.2, 2]))
    ignored = random.random(shape) < 0.2 if case % 2 else None
    found = find_regions(values, threshold, ignored)
    same(found, filled(values, threshold, ignored))
    assert all(type(value) is int for one in found for value in one[:5])
    assert all(type(value) is float for one in found for value in one[5:])


@pytest.mark.parametrize("strip", [1, 7, 50, 10_000])
def test_sums_do_not_depend_on_strips(
    strip: int, fresh_seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = np.random.default_rng(fresh_seed).normal(size=(37, 23)).astype(np.float32)
    monkeypatch.setattr("nsa.runs.regions._STRIP", strip)
    same(find_regions(values, 0.2), filled(values, 0.2, None))


def test_one_pixel_all_and_none() -> None:
    one = np.full((1, 1), 2, np.float32)
    assert find_regions(one, 1) == [Region(0, 0, 1, 1, 1, 1.0, 2.0, 2.0)]
    assert find_regions(one, 2) == []  # above, not at
    assert find_regions(np.full((1, 1), np.nan, np.float32), -np.inf) == []
    whole = np.full((5, 7), 0.5, np.float32)
    assert find_regions(whole, 0) == [Region(0, 0, 7, 5, 35, 1.0, 0.5, 0.5)]
    assert find_regions(whole, 0, np.ones((5, 7), bool)) == []
    assert find_regions(whole, 0.5) == []


def test_corners_touch_and_borders_do_not_wrap() -> None:
    values = np.zeros((4, 6), np.float32)
    values[0, 5], values[1, 4] = 1, 3  # touch at a corner
    values[2, 0] = 2
    assert find_regions(values, 0.5) == [
        Region(4, 0, 2, 2, 2, 2 / 24, 3.0, 2.0),
        Region(0, 2, 1, 1, 1, 1 / 24, 2.0, 2.0),
    ]


def test_equal_peaks_are_ordered_from_the_top_then_from_the_left() -> None:
    values = np.zeros((5, 9), np.float32)
    values[4, 0] = values[0, 8] = values[2, 2] = values[2, 6] = 1
    places = [(one.x, one.y) for one in find_regions(values, 0.5)]
    assert places == [(8, 0), (2, 2), (6, 2), (0, 4)]


def test_views_are_read_as_they_are(fresh_seed: int) -> None:
    values = np.random.default_rng(fresh_seed).normal(size=(24, 30)).astype(np.float32)
    for view in (values.T, values[::2, ::-3], np.asfortranarray(values)):
        same(find_regions(view, 0.3), filled(view, 0.3, None))


def test_what_is_ignored_has_the_shape_of_the_map() -> None:
    with pytest.raises(InputError, match=r"the shape of the map, \(4, 6\), got \(1, 6\)"):
        find_regions(np.zeros((4, 6), np.float32), 0, np.zeros((1, 6), bool))


def test_the_usual_threshold_leaves_a_hundredth(fresh_seed: int) -> None:
    random = np.random.default_rng(fresh_seed)
    values = random.permutation(10_000).reshape(50, 200).astype(np.float32)
    assert (values > usual_threshold(values)).sum() == 100
    flat = np.full((7, 9), 0.1, np.float32)
    assert find_regions(flat, usual_threshold(flat)) == []


FIRST = Region(4, 0, 2, 2, 3, 0.125, 3.5, 2.25)
SECOND = Region(0, 2, 1, 1, 1, 0.1, 0.1, 0.1)
HEADING = ",".join(COLUMNS) + "\n"


def left(folder: Path) -> dict[str, bytes]:
    return {entry.name: entry.read_bytes() for entry in folder.iterdir()}


def test_tables_are_there_when_all_is_added(tmp_path: Path) -> None:
    (tmp_path / "regions.csv").write_text("earlier")
    (tmp_path / "regions.json").write_text("[]")
    odd = os.fsdecode(b'a,"\r\xff\n.png')
    with RegionTables(tmp_path) as tables:
        tables.add(Path("in/a.png"), 2, [FIRST, SECOND])
        tables.add("none.png", 3, [])
        tables.add(odd, 7, [SECOND])
        lines = (
            f"{HEADING}in/a.png,1,4,0,2,2,3,0.125,3.5,2.25\nin/a.png,2,0,2,1,1,1,0.1,0.1,0.1\n"
            f'"a,""\r{os.fsdecode(bytes([255]))}\n.png",1,0,2,1,1,1,0.1,0.1,0.1\n'
        ).encode(errors="surrogateescape")
        assert left(tmp_path) == {
            "regions.csv": b"earlier", "regions.json": b"[]", "regions.partial.csv": lines,
        }  # fmt: skip
        assert tables.partial == tmp_path / "regions.partial.csv"
        tables.finish()
    written = left(tmp_path)
    assert written.keys() == {"regions.csv", "regions.json"}
    assert written["regions.csv"] == lines

    def result(image: int, name: str, region: int, one: Region) -> dict[str, object]:
        return {
            "image_id": image, "file_name": name, "category_id": 1, "bbox": [*one[:4]],
            "area": one.area, "score": one.peak, "region": region,
        }  # fmt: skip

    assert json.loads(written["regions.json"]) == [
        result(2, "in/a.png", 1, FIRST),
        result(2, "in/a.png", 2, SECOND),
        result(7, odd, 1, SECOND),
    ]


def test_tables_without_regions_are_empty_not_missing(tmp_path: Path) -> None:
    with RegionTables(tmp_path) as tables:
        tables.add("a.png", 1, [])
        tables.finish()
    assert left(tmp_path) == {"regions.csv": HEADING.encode(), "regions.json": b"[\n]\n"}


def test_numbers_keep_all_their_digits(tmp_path: Path, fresh_seed: int) -> None:
    values = np.random.default_rng(fresh_seed).normal(size=(60, 50)).astype(np.float32)
    found = find_regions(values, 1.5)
    with RegionTables(tmp_path) as tables:
        tables.add("a.png", 1, found)
        tables.finish()
    results = json.loads((tmp_path / "regions.json").read_text())
    assert [one["score"] for one in results] == [one.peak for one in found]
    lines = (tmp_path / "regions.csv").read_text().splitlines()[1:]
    assert [tuple(map(float, line.split(",")[2:])) for line in lines] == [*map(tuple, found)]


def test_an_interruption_keeps_lines_and_earlier_tables(tmp_path: Path) -> None:
    earlier = {"regions.csv": b"earlier", "regions.json": b"[]"}
    for name, content in earlier.items():
        (tmp_path / name).write_bytes(content)
    with RegionTables(tmp_path):
        pass
    assert left(tmp_path) == earlier
    with RegionTables(tmp_path) as tables:
        tables.add("a.png", 1, [SECOND])
    kept = {**earlier, "regions.partial.csv": f"{HEADING}a.png,1,0,2,1,1,1,0.1,0.1,0.1\n".encode()}
    assert left(tmp_path) == kept
    with pytest.raises(InputError, match=r"regions\.partial\.csv: File exists"):
        RegionTables(tmp_path)
    with RegionTables(tmp_path, overwrite=True) as tables:
        tables.finish()
    assert left(tmp_path) == {"regions.csv": HEADING.encode(), "regions.json": b"[\n]\n"}


def test_a_json_that_cannot_be_written_loses_no_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: object) -> str:
        raise OSError(28, "No space left")

    with RegionTables(tmp_path) as tables:
        tables.add("a.png", 1, [SECOND])
        monkeypatch.setattr(module.json, "dumps", full)
        with pytest.raises(InputError, match=r"Cannot write .*regions\.json: No space left\."):
            tables.finish()
    assert left(tmp_path).keys() == {"regions.partial.csv"}


KILLED = """
import os, signal, sys
from pathlib import Path
from nsa.runs.regions import Region, RegionTables

with RegionTables(Path(sys.argv[1])) as tables:
    tables.add("a.png", 1, [Region(0, 2, 1, 1, 1, 0.1, 0.1, 0.1)])
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no POSIX signals")
def test_lines_of_regions_outlast_a_kill(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED, tmp_path], check=False)
    line = f"{HEADING}a.png,1,0,2,1,1,1,0.1,0.1,0.1\n"
    assert left(tmp_path) == {"regions.partial.csv": line.encode()}
