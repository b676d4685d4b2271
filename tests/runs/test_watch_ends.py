"""How a watch ends and begins again: kills, signals, vanished folders, and what it refuses."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import pytest
from watched import Watched, make_run, options, put, wait_until

from nsa.errors import InputError
from nsa.runs.watch import watch

WAYS = pytest.mark.parametrize("poll", [False, True])


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


def test_two_watches_do_not_share_a_folder(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        watched.going(monkeypatch),
        pytest.raises(InputError, match=r"Another run is using the folder .*out;"),
    ):
        watched.judge(once=True)
    assert watched.error is None


@WAYS
def test_a_folder_that_vanishes_ends_it_in_a_sentence(
    watched: Watched, monkeypatch: pytest.MonkeyPatch, poll: bool
) -> None:
    put(watched.folder / "a.png")
    with watched.going(monkeypatch, poll=poll):
        wait_until(watched.lines)
        shutil.rmtree(watched.folder)
        wait_until(lambda: watched.error)
    assert isinstance(watched.error, InputError)
    message = str(watched.error)
    assert message.startswith(f"{watched.folder}, which is watched, has vanished; give the command")
    assert message.endswith(f"1 image judged, results in {watched.output}.")
    assert json.loads((watched.output / "status.json").read_text())["state"] == "ended"


def test_no_folder_and_no_place_are_told_before_any_work(watched: Watched, tmp_path: Path) -> None:
    def refusal(folder: Path, output: Path, run: Any = watched.run, **more: Any) -> str:
        with pytest.raises(InputError) as raised:
            watch(run, watched.detector, folder, output, options(once=True), **more)
        return str(raised.value)

    assert "does not exist" in refusal(tmp_path / "none", watched.output)
    image = put(watched.folder / "a.png")
    assert "is a file, not a folder" in refusal(image, watched.output)
    inside = watched.folder / "out"
    assert "its own pictures would be judged" in refusal(watched.folder, inside)
    assert "its own pictures would be judged" in refusal(watched.folder, watched.folder)
    assert not inside.exists()
    assert "is not empty" in refusal(watched.folder, tmp_path)
    with pytest.raises(InputError, match="--settle must not be negative"):
        options(settle=-1)
    watched.judge(once=True)
    before = {entry.name: entry.read_bytes() for entry in watched.output.iterdir()}
    other = make_run(tmp_path / "other", [0.01 * number for number in range(1, 40)], epochs=2)
    assert "are of another run" in refusal(watched.folder, watched.output, other)
    assert "another calibration or rate" in refusal(watched.folder, watched.output, fpr=0.1)
    elsewhere = put(tmp_path / "in2" / "a.png").parent
    assert "are of another folder" in refusal(elsewhere, watched.output)
    assert {entry.name: entry.read_bytes() for entry in watched.output.iterdir()} == before


KILLED = """
import sys, time
from pathlib import Path
from watched import Brightness, make_run, options
from types import SimpleNamespace
from nsa.runs.watch import watch

run, folder, output = map(Path, sys.argv[1:])
detector = Brightness()
detector.before = lambda: time.sleep(0.02)
opened = SimpleNamespace(path=run, settings=SimpleNamespace(to_dict=dict))
watch(opened, detector, folder, output, options(overlays=True))
"""


def start(watched: Watched) -> subprocess.Popen[bytes]:
    places = [str(Path(__file__).parent), *sys.path]
    return subprocess.Popen(
        [sys.executable, "-c", KILLED, watched.run.path, watched.folder, watched.output],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(places)}, stderr=subprocess.PIPE,
    )  # fmt: skip


def kill_after(watched: Watched, lines: int) -> int:
    process = start(watched)
    try:
        wait_until(lambda: len(watched.lines()) >= lines or process.poll() is not None)
    finally:
        process.kill()
        process.communicate()
    return process.returncode


@pytest.mark.skipif(sys.platform == "win32", reason="no POSIX signals")
def test_a_kill_loses_nothing_and_nothing_is_judged_twice(watched: Watched) -> None:
    count = 150
    for number in range(count):
        put(watched.folder / f"{number}.png", number)
    for least in (5, 40):
        assert kill_after(watched, least) == -signal.SIGKILL
        assert least <= len(watched.lines()) < count
    before = len(watched.lines())
    assert watched.judge(once=True, overlays=True) == count - before
    names = watched.names()
    assert len(set(names)) == len(names) == count
    pictures = [line["picture"] for line in watched.lines()]
    assert sorted(one.name for one in watched.output.glob("*.png")) == sorted(pictures)
    for name in pictures:
        assert cv2.imread(str(watched.output / name)) is not None
    numbers = [int(line["image_id"]) for line in watched.lines("regions.csv")]
    assert numbers == sorted(set(numbers))  # each of these images is one region at most
    for line in watched.lines("regions.csv"):
        assert line["path"] == watched.lines()[int(line["image_id"]) - 1]["path"]


@pytest.mark.skipif(sys.platform == "win32", reason="no POSIX signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_in_order(watched: Watched, number: int) -> None:
    put(watched.folder / "a.png")
    process = start(watched)
    try:
        wait_until(lambda: watched.lines() or process.poll() is not None)
        process.send_signal(number)
        error = process.communicate(timeout=60)[1].decode()
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, error
    assert "1 image judged, 0 anomalous" in error
    assert json.loads((watched.output / "status.json").read_text())["state"] == "ended"
    assert not (watched.output / ".lock").exists()
