"""Scores of a folder in Parquet files: what they hold, and how calls continue one another."""

from __future__ import annotations

import hashlib
import os
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from bulked import Bulk
from watched import Brightness, image_bytes, put

import nsa
from nsa.errors import InputError
from nsa.images import read_image
from nsa.runs.bulk import parts as parts_module
from nsa.runs.decisions import Decisions


@pytest.fixture
def bulk(tmp_path: Path) -> Bulk:
    return Bulk(tmp_path)


def test_a_row_has_all_that_is_known_of_an_image(bulk: Bulk, fresh_seed: int) -> None:
    random = np.random.default_rng(fresh_seed)
    places = [bulk.images / name for name in ("a.png", "deep/er/b.PNG", "deep/c.png")]
    for place in places:
        put(place, int(random.integers(1, 250)))
    assert bulk.score() == 3
    decisions = Decisions.of(bulk.run.path, bulk.detector)
    assert decisions is not None
    rows = {row["path"]: row for row in bulk.rows()}
    assert sorted(rows) == sorted(str(place.resolve()) for place in places)
    for place in places:
        row, status = rows[str(place.resolve())], place.stat()
        [judged] = bulk.detector.judge([read_image(place, 1)])
        assert row["raw_score"] == judged.score
        assert row["score"] == decisions.score(judged.score)
        assert row["predicted"] == decisions.label(judged.score)
        assert (row["size"], row["version"]) == (status.st_size, str(status.st_mtime_ns))
        assert row["sha256"] == hashlib.sha256(place.read_bytes()).hexdigest()
        assert (row["height"], row["width"]) == (8, 8)
        assert (row["spread"], row["defect_share"]) == (None, None)
        assert [one["peak"] for one in row["regions"]] == [1.0]
        assert row["regions"][0]["box"] == {"x": 0, "y": 0, "width": 1, "height": 1}
        assert datetime.now(timezone.utc) - row["judged_at"] < timedelta(minutes=10)
        assert len(row["key"]) == 16
    assert len({row["key"] for row in rows.values()}) == 3
    about = pq.read_schema(bulk.parts()[0]).metadata
    assert about[b"nsa_version"].decode() == nsa.__version__
    assert float(about[b"nsa_fpr"]) == decisions.fpr
    assert len(about[b"nsa_run"]) == 32


def test_without_a_calibration_nothing_is_decided(tmp_path: Path) -> None:
    bulk = Bulk(tmp_path, None)
    put(bulk.images / "a.png")
    bulk.score()
    [row] = bulk.rows()
    assert (row["predicted"], row["score"]) == (None, None)
    assert row["raw_score"] > 0


def test_the_same_call_judges_what_is_new_or_changed_alone(bulk: Bulk) -> None:
    for name in ("same.png", "changed.png", "gone.png"):
        put(bulk.images / name, 40)
    assert bulk.score() == 3
    before = {row["path"]: row for row in bulk.rows()}
    put(bulk.images / "changed.png", 90)
    put(bulk.images / "new.png", 10)
    (bulk.images / "gone.png").unlink()
    assert bulk.score() == 2
    after = {row["path"]: row for row in bulk.rows()}
    assert bulk.names() == ["changed.png", "gone.png", "new.png", "same.png"]
    for name in ("same.png", "gone.png"):
        path = str(bulk.images.resolve() / name)
        assert after[path] == before[path]
    path = str(bulk.images.resolve() / "changed.png")
    assert after[path]["raw_score"] > before[path]["raw_score"]
    parts = [path.read_bytes() for path in bulk.parts()]
    assert bulk.score() == 0
    assert [path.read_bytes() for path in bulk.parts()] == parts


def test_a_file_that_changes_and_changes_back_has_its_own_row(bulk: Bulk) -> None:
    path = put(bulk.images / "a.png", 40)
    put(bulk.images / "b.png", 40)
    first = path.stat()
    bulk.score()
    put(path, 90)
    bulk.score()
    put(path, 40)
    os.utime(path, ns=(first.st_atime_ns, first.st_mtime_ns))
    assert bulk.score() == 1
    assert bulk.names() == ["a.png", "b.png"]
    [row] = [row for row in bulk.rows() if row["path"].endswith("a.png")]
    assert row["version"] == str(first.st_mtime_ns)


def test_unreadable_files_are_tried_again(bulk: Bulk, tmp_path: Path) -> None:
    other = tmp_path / "other"
    for path in (bulk.images / "mended.png", bulk.images / "gone.png", other / "bad.png"):
        put(path).write_bytes(b"no image")
    put(bulk.images / "good.png")
    (bulk.images / "broken link.png").symlink_to("nowhere")
    with pytest.raises(InputError, match=r"^4 of 5 files cannot be read \(.*\); .*unreadable has"):
        bulk.score(bulk.images, other)
    assert bulk.names() == ["good.png"]
    rows = {Path(row["path"]).name: row for row in bulk.rows("unreadable")}
    assert sorted(rows) == ["bad.png", "broken link.png", "gone.png", "mended.png"]
    assert rows["bad.png"]["size"] == 8
    assert "bad.png cannot be read" in rows["bad.png"]["reason"]
    put(bulk.images / "mended.png")
    (bulk.images / "gone.png").unlink()
    (bulk.images / "broken link.png").unlink()
    assert bulk.score() == 1
    assert bulk.names() == ["good.png", "mended.png"]
    # Nobody has looked into the other folder since.
    assert [Path(row["path"]).name for row in bulk.rows("unreadable")] == ["bad.png"]
    with pytest.raises(InputError, match="1 of 1 file cannot be read"):
        bulk.score(other)
    assert [Path(row["path"]).name for row in bulk.rows("unreadable")] == ["bad.png"]


def test_hidden_files_and_other_kinds_are_left_out(bulk: Bulk) -> None:
    put(bulk.images / "a.png")
    put(bulk.images / ".hidden" / "b.png")
    (bulk.images / ".c.png").write_bytes(image_bytes(5))
    (bulk.images / "notes.txt").write_text("none")
    (bulk.images / "folder.png").mkdir()
    put(bulk.images / "folder.png" / "d.png")
    (bulk.images / "loop").symlink_to(bulk.images)
    assert bulk.score() == 2
    assert bulk.names() == ["a.png", "folder.png/d.png"]


@pytest.mark.skipif(sys.platform != "linux", reason="names are text on other systems")
def test_names_may_be_anything(bulk: Bulk) -> None:
    names = [b"\xff\xfe.png", "ünïcode 画像.png".encode(), b"line\nbreak.png", b"100%.png"]
    folder = os.fsencode(bulk.images)
    for name in names:
        put(Path(os.fsdecode(folder + b"/" + name)))
    assert bulk.score() == 4
    assert bulk.score() == 0
    named = [row["path"] for row in bulk.rows()]
    base = bulk.images.resolve()
    assert f"{base.as_uri()}/%FF%FE.png" in named  # a table holds text alone
    assert {f"{base}/{name.decode()}" for name in names[1:]} <= {*named}
    Path(os.fsdecode(folder + b"/" + names[0])).write_bytes(b"no image")
    with pytest.raises(InputError, match="1 of 4 files"):
        bulk.score()
    put(Path(os.fsdecode(folder + b"/" + names[0])), 9)
    bulk.score()
    assert (len(bulk.rows()), bulk.rows("unreadable")) == (4, [])


def test_parts_are_cut_and_small_ones_joined(bulk: Bulk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts_module, "PART_ROWS", 100)
    monkeypatch.setattr("nsa.runs.bulk.compact.PART_ROWS", 100)
    for number in range(300):
        put(bulk.images / f"{number}.png", number % 250)
    assert bulk.score() == 300
    counts = [pq.read_metadata(path).num_rows for path in bulk.parts()]
    assert sum(counts) == 300
    assert len(counts) <= 4
    for number in range(5):
        put(bulk.images / f"more {number}.png")
        assert bulk.score() == 1
    assert len(bulk.parts()) <= len(counts) + 1
    assert len({row["path"] for row in bulk.rows()}) == len(bulk.rows()) == 305


def test_rows_wait_no_longer_than_two_minutes(bulk: Bulk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts_module, "_SECONDS", 0.0)
    for number in range(130):  # three groups
        put(bulk.images / f"{number}.png")
    seen = []
    bulk.detector.before = lambda: seen.append(len(bulk.parts()))  # type: ignore[method-assign]
    bulk.score()
    assert seen == [0, 1, 2]


def test_an_interrupted_call_keeps_what_it_has(bulk: Bulk) -> None:
    for number in range(130):
        put(bulk.images / f"{number}.png")
    groups = iter([False, False, True])

    def stop() -> None:
        if next(groups):
            raise KeyboardInterrupt

    bulk.detector.before = stop  # type: ignore[method-assign]
    with pytest.raises(nsa.system.interrupt.Interrupted, match="128 images of this call scored"):
        bulk.score()
    assert len(bulk.rows()) == 128
    bulk.detector = Brightness()
    assert bulk.score() == 2
    assert len({row["path"] for row in bulk.rows()}) == len(bulk.rows()) == 130


def test_rows_that_a_kill_has_left_twice_are_dropped(bulk: Bulk) -> None:
    for number in range(5):
        put(bulk.images / f"{number}.png")
    bulk.score()
    [part] = bulk.parts()
    part.with_name("part-0000.parquet").write_bytes(part.read_bytes())
    assert len(bulk.rows()) == 10
    assert bulk.score() == 0
    assert bulk.names() == [f"{number}.png" for number in range(5)]


def test_a_file_that_changes_back_after_a_kill_has_its_own_row(
    bulk: Bulk, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = bulk.images / "a.png"

    def killed(*_: object) -> None:
        raise SystemExit

    contents = {name: image_bytes(brightness) for name, brightness in (("old", 20), ("new", 90))}

    def change(name: str) -> None:
        place.write_bytes(contents[name])
        os.utime(place, ns=(10**18, 10**18 if name == "old" else 2 * 10**18))

    change("old")
    bulk.score()
    change("new")
    with monkeypatch.context() as patched:  # killed before it drops the older row
        patched.setattr("nsa.runs.bulk.work.drop_older_rows", killed)
        with pytest.raises(SystemExit):
            bulk.score()
    assert len(bulk.rows()) == 2
    change("old")
    assert bulk.score() == 1
    assert [row["sha256"] for row in bulk.rows()] == [hashlib.sha256(contents["old"]).hexdigest()]


@pytest.mark.skipif(sys.platform == "win32", reason="no links, no pipes")
def test_what_is_no_file_is_left_out(bulk: Bulk) -> None:
    put(bulk.images / "a.png")
    (bulk.images / "folder.png").symlink_to(bulk.images)
    os.mkfifo(bulk.images / "pipe.png")  # which nobody writes to
    assert bulk.score() == 1
    assert bulk.score(bulk.images.as_uri()) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="no links")
def test_a_link_to_itself_costs_no_other_file(bulk: Bulk) -> None:
    for name in ("a.png", "z.png"):
        put(bulk.images / name)
    (bulk.images / "link.png").symlink_to("link.png")
    with pytest.raises(InputError, match=r"1 of 3 files cannot be read .*link\.png"):
        bulk.score()
    assert bulk.names() == ["a.png", "z.png"]


def test_a_folder_that_cannot_be_listed_is_told(
    bulk: Bulk, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(bulk.images / "a.png")
    closed = bulk.images / "closed"
    closed.mkdir()
    real = os.scandir

    def scandir(place: str) -> object:
        if place == str(closed.resolve()):
            raise PermissionError(13, "Permission denied", place)
        return real(place)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(InputError, match="closed cannot be read: Permission denied"):
        bulk.score(closed)
    with pytest.raises(InputError, match=r"1 of 2 files cannot be read \(The folder"):
        bulk.score()
    monkeypatch.undo()
    assert (bulk.names(), bulk.names("unreadable")) == (["a.png"], ["closed"])
    bulk.score()
    assert bulk.names("unreadable") == []


def test_a_full_disk_is_told_and_the_next_call_continues(
    bulk: Bulk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(70):
        put(bulk.images / f"{number}.png")

    def full(*_: object) -> None:
        raise InputError("Cannot write: No space left on device.")

    with monkeypatch.context() as patched:
        patched.setattr("nsa.runs.bulk.store.write_atomically", full)
        with pytest.raises(InputError, match="No space left on device"):
            bulk.score()
    assert bulk.rows() == []
    with monkeypatch.context() as patched:
        patched.setattr(parts_module.Parts, "write", full)
        with pytest.raises(InputError, match="No space left on device; 0 images of this call"):
            bulk.score()
    assert bulk.score() == 70
    assert len(bulk.rows()) == 70
