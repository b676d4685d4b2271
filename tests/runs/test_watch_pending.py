"""Files that wait until they are complete, by a clock that the tests set."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nsa.runs.watch.changes import Version, scan, version_of
from nsa.runs.watch.pending import Pending


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pending(clock: Clock) -> Pending:
    return Pending(1.0, clock)


def note(pending: Pending, path: Path, **more: bool) -> None:
    version = version_of(path)
    assert version is not None
    pending.notice(path, version, **more)


def change(path: Path, content: str = "x") -> Path:
    before = version_of(path)
    path.write_text(content)
    if version_of(path) == before:
        os.utime(path, ns=(0, before.mtime + 1))
    return path


def test_a_file_is_complete_when_it_has_not_changed_for_a_while(
    pending: Pending, clock: Clock, tmp_path: Path
) -> None:
    path = change(tmp_path / "a")
    assert pending.seconds_left() is None
    note(pending, path)
    assert pending.take(9) == []
    assert pending.seconds_left() == 1.0
    clock.now += 0.9
    change(path)  # which nobody tells
    clock.now += 0.1
    assert pending.take(9) == []
    assert pending.seconds_left() == 1.0
    clock.now += 0.5
    note(pending, path, changed=True)  # which its version does not tell
    clock.now += 0.6
    assert pending.take(9) == []
    clock.now += 0.4
    [taken] = pending.take(9)
    assert (taken.path, taken.version, taken.noticed) == (path, version_of(path), 100.0)
    assert (len(pending), pending.take(9)) == (0, [])


def test_a_file_that_was_closed_is_complete_unless_it_is_empty_or_opened_again(
    pending: Pending, clock: Clock, tmp_path: Path
) -> None:
    full, empty, again = (tmp_path / name for name in ("full", "empty", "again"))
    for path in (full, empty, again):
        note(pending, change(path, "" if path == empty else "x"), changed=True, complete=True)
    change(again)
    note(pending, again, changed=True)
    full.chmod(0o600)
    note(pending, full, changed=True)
    assert [one.path for one in pending.take(9)] == [full]
    clock.now += 1.0
    assert [one.path for one in pending.take(9)] == [empty, again]


def test_files_are_taken_in_order_and_those_that_are_gone_are_forgotten(
    pending: Pending, clock: Clock, tmp_path: Path
) -> None:
    paths = [change(tmp_path / str(number)) for number in range(5)]
    for path in paths:
        note(pending, path)
    clock.now += 1.0
    paths[1].unlink()
    assert [one.path for one in pending.take(2)] == [paths[0], paths[2]]
    assert len(pending) == 2


def test_what_is_put_back_waits_again(pending: Pending, clock: Clock, tmp_path: Path) -> None:
    tried, changed, gone = (change(tmp_path / name) for name in ("tried", "changed", "gone"))
    for path in (tried, changed, gone):
        note(pending, path, changed=True, complete=True)
    taken = pending.take(9)
    for one in taken:
        one.tries = 1
    change(changed)
    gone.unlink()
    pending.put_back(taken)
    assert pending.take(9) == []
    clock.now += 1.0
    assert [(one.path, one.tries) for one in pending.take(9)] == [(tried, 1), (changed, 0)]


def test_what_is_seen_of_a_folder(tmp_path: Path) -> None:
    names = ["b.png", "a.PNG", "x/c.jpg", ".d.png", ".x/e.png", "f.txt", "link.png", "folder.png/g"]
    for number, name in enumerate(names):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        change(path)
        os.utime(path, ns=(0, 10**18 - number))
    outside = tmp_path / "outside"
    outside.mkdir()
    change(outside / "h.png")
    (tmp_path / "in" / "linked").symlink_to(outside)
    (tmp_path / "in" / "broken.png").symlink_to("nothing")
    found = scan(tmp_path / "in")
    assert [str(path.relative_to(tmp_path / "in")) for path, _ in found] == [
        "link.png", "x/c.jpg", "a.PNG", "b.png",
    ]  # fmt: skip
    assert found[0][1] == Version(1, 10**18 - 6)
    assert scan(tmp_path / "none") == []
