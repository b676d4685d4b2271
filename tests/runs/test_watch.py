"""A folder that is watched: every image is judged once, when it is complete, whatever happens."""

from __future__ import annotations

import errno
import importlib.util
import json
import os
import shutil
import sys
import time
from pathlib import Path

import pytest
from watched import Watched, image_bytes, logged, make_run, put, wait_until

from nsa.errors import InputError

WAYS = pytest.mark.parametrize("poll", [False, True])


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


def test_what_is_there_comes_first_and_each_is_judged_once(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, name in enumerate(["b.png", "a.png", "x/y/c.png"]):
        os.utime(put(watched.folder / name), ns=(0, 10**18 + number))  # the oldest first
    put(watched.folder / ".hidden" / "d.png")
    put(watched.folder / "e.txt")
    with watched.going(monkeypatch):
        wait_until(lambda: len(watched.lines()) == 3)
        put(watched.folder / "new.png", 255)
        wait_until(lambda: len(watched.lines()) == 4)
    assert watched.names() == ["b.png", "a.png", "x/y/c.png", "new.png"]
    assert [line["predicted"] for line in watched.lines()] == ["normal"] * 3 + ["anomalous"]
    assert watched.judge(once=True) == 0
    assert len(watched.lines()) == 4


@WAYS
def test_a_file_that_is_written_slowly_is_waited_for(
    watched: Watched, monkeypatch: pytest.MonkeyPatch, poll: bool
) -> None:
    content = image_bytes(60, 100)
    size = len(content) // 10
    with watched.going(monkeypatch, poll=poll, settle=3.0, tries=1):
        with (watched.folder / "slow.png").open("wb", buffering=0) as file:
            for first in range(0, len(content), size):
                file.write(content[first : first + size])
                time.sleep(0.1)
        wait_until(watched.lines)
    assert watched.names() == ["slow.png"]
    assert watched.lines()[0]["bytes"] == str(len(content))
    assert not (watched.output / "unreadable.csv").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="nothing else tells that a file was closed")
def test_a_file_that_is_closed_or_renamed_is_not_waited_for(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    with watched.going(monkeypatch, settle=1e6):
        (watched.folder / "closed.png").write_bytes(image_bytes(60))
        wait_until(lambda: len(watched.lines()) == 1)
        (watched.folder / "new.png.part").write_bytes(image_bytes(60))
        (watched.folder / "new.png.part").rename(watched.folder / "renamed.png")
        wait_until(lambda: len(watched.lines()) == 2)
        shutil.copy(watched.folder / "closed.png", watched.folder / "copied.png")  # and its mode
        wait_until(lambda: len(watched.lines()) == 3)
    assert watched.names() == ["closed.png", "renamed.png", "copied.png"]


@WAYS
def test_files_and_folders_that_are_moved_in_are_judged(
    watched: Watched, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, poll: bool
) -> None:
    elsewhere = tmp_path / "elsewhere"
    with watched.going(monkeypatch, poll=poll):
        put(elsewhere / "file.png").rename(watched.folder / "moved.png")
        put(elsewhere / "of" / "folder" / "inner.png")
        (elsewhere / "of").rename(watched.folder / "of")
        put(watched.folder / "fresh" / "one.png")
        expected = {"moved.png", "of/folder/inner.png", "fresh/one.png"}
        wait_until(lambda: expected <= set(watched.names()))
        put(watched.folder / "of" / "folder" / "later.png")
        wait_until(lambda: len(watched.lines()) == 4)
    assert sorted(watched.names()) == sorted([*expected, "of/folder/later.png"])


def test_a_file_that_is_overwritten_is_judged_again(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(watched.folder / "a.png", 20)
    with watched.going(monkeypatch, overlays=True):
        wait_until(lambda: len(watched.lines()) == 1)
        put(watched.folder / "a.png", 250)
        wait_until(lambda: len(watched.lines()) == 2)
    assert watched.names() == ["a.png", "a.png"]
    assert [line["predicted"] for line in watched.lines()] == ["normal", "anomalous"]
    assert [line["picture"] for line in watched.lines()] == ["000001_a.png", "000002_a.png"]
    assert watched.judge(once=True) == 0


def test_a_file_that_changes_while_it_is_judged_is_judged_as_it_is_then(watched: Watched) -> None:
    put(watched.folder / "a.png", 20)
    put(watched.folder / "b.png", 20)
    left = [put]

    def change() -> None:
        if left:
            left.pop()(watched.folder / "a.png", 250)

    watched.detector.before = change
    watched.judge(once=True)
    assert sorted(zip(watched.names(), [x["predicted"] for x in watched.lines()], strict=True)) == [
        ("a.png", "anomalous"), ("b.png", "normal"),
    ]  # fmt: skip


def test_a_file_that_goes_while_it_is_judged_keeps_its_result(watched: Watched) -> None:
    path = put(watched.folder / "a.png", 20)
    watched.detector.before = path.unlink
    assert watched.judge(once=True) == 1
    assert watched.names() == ["a.png"]


def test_what_cannot_be_read_is_listed_until_it_is_repaired(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    (watched.folder / "bad.png").write_bytes(image_bytes(20)[:-30])
    (watched.folder / "empty.png").touch()
    put(watched.folder / "good.png")
    with watched.going(monkeypatch):
        wait_until(lambda: len(watched.lines("unreadable.csv")) == 2)
        assert watched.names() == ["good.png"]
    reasons = {Path(x["path"]).name: x["reason"] for x in watched.lines("unreadable.csv")}
    assert "cannot be read" in reasons["bad.png"]
    assert "not an image or is damaged" in reasons["empty.png"]
    assert watched.judge(once=True) == 0  # they have not changed, and are not tried again
    put(watched.folder / "bad.png")
    assert watched.judge(once=True) == 1
    assert watched.names() == ["good.png", "bad.png"]
    assert watched.names("unreadable.csv") == ["empty.png"]
    (watched.folder / "worse.png").write_bytes(b"no")
    with pytest.raises(InputError, match=r"worse\.png cannot be read.*All are listed in .*csv\.$"):
        watched.judge(once=True)
    assert json.loads((watched.output / "status.json").read_text())["unreadable"] == 2


def test_a_repair_that_a_kill_cut_short_is_finished(watched: Watched) -> None:
    (watched.folder / "a.png").write_bytes(b"no")
    with pytest.raises(InputError):
        watched.judge(once=True)
    listed = (watched.output / "unreadable.csv").read_bytes()
    put(watched.folder / "a.png")
    watched.judge(once=True)
    (watched.output / "unreadable.csv").write_bytes(listed)
    assert watched.judge(once=True) == 0
    assert watched.lines("unreadable.csv") == []


def test_what_no_event_tells_is_found_all_the_same(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nsa.runs.watch.loop._WITH_EVENTS", (0.1, 1.0))
    monkeypatch.setattr("nsa.runs.watch.changes.Events.dispatch", lambda *_: None)
    with watched.going(monkeypatch):
        put(watched.folder / "a.png")
        wait_until(watched.lines)


def test_a_system_that_cannot_tell_is_named(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    from watchdog.observers.api import BaseObserver

    def start(_: BaseObserver) -> None:
        raise OSError(errno.ENOSPC, "inotify watch limit reached")

    monkeypatch.setattr(BaseObserver, "start", start)
    with pytest.raises(InputError, match=r"\(inotify watch limit reached\); add --poll"):
        watched.judge()


def test_a_log_has_a_line_a_minute(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nsa.runs.watch.standing._MINUTE", 0.01)
    with logged() as said, watched.going(monkeypatch):
        put(watched.folder / "a.png")
        wait_until(lambda: any(line.startswith("1 image judged, 0 anomalous") for line in said))
    assert "s from appearance to result; drift: none" in said[-1]
    assert json.loads((watched.output / "status.json").read_text())["latency_seconds"] < 60


def test_without_the_package_looking_is_left(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "watchdog" else find(name)
    )
    with pytest.raises(InputError, match="pip install watchdog; or add --poll"):
        watched.judge()
    assert not watched.output.exists()


def test_a_run_that_is_not_calibrated_gives_raw_scores(watched: Watched, tmp_path: Path) -> None:
    watched.run = make_run(tmp_path / "plain")
    put(watched.folder / "a.png")
    watched.judge(once=True)
    [line] = watched.lines()
    assert (line["predicted"], line["score"]) == ("", "")
    assert float(line["raw_score"]) > 0
    status = json.loads((watched.output / "status.json").read_text())
    assert status["normal"] is None
    assert status["drift"] == {
        "known": False,
        "why": "the run is not calibrated; nsa calibrate does that, with normal images",
    }  # fmt: skip


def test_drift_is_told_once_and_outlasts_a_restart(watched: Watched) -> None:
    for number in range(60):
        put(watched.folder / f"{number}.png", 1)  # far darker than what has calibrated
    with logged() as said:
        watched.judge(once=True)
    [alarm] = [line for line in said if "DRIFT" in line]
    assert alarm.startswith("DRIFT ALARM now, at image ")
    status = json.loads((watched.output / "status.json").read_text())
    drift = status["drift"]
    assert drift["alarm"] is True
    assert drift["image"] < 60
    assert drift["path"] == watched.lines()[drift["image"] - 1]["path"]
    assert drift["distance"] > 0.9
    assert drift["normal_images"] == 60
    put(watched.folder / "more.png", 1)
    with logged() as said:
        watched.judge(once=True)
    [alarm] = [line for line in said if "DRIFT" in line]
    assert alarm.startswith("DRIFT ALARM of an earlier call, at image ")
    again = json.loads((watched.output / "status.json").read_text())["drift"]
    assert again["image"] == drift["image"]
    assert again["normal_images"] == 61
