"""How far work has come: bars at a terminal, lines now and then in a log file."""

from __future__ import annotations

import io
import logging
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nsa.images import load_images
from nsa.system import console as console_module
from nsa.system import progress as module
from nsa.system.console import PlainConsole
from nsa.system.progress import Stages, TrainingProgress, progress_bar


@pytest.fixture(autouse=True)
def shown(log: logging.Logger, caplog: pytest.LogCaptureFixture) -> None:
    """All logs, as in a program that shows them."""
    caplog.set_level(logging.INFO, log.name)


def screen(monkeypatch: pytest.MonkeyPatch, terminal: bool) -> io.StringIO:
    """What is written, by a console of 100 columns."""
    written = io.StringIO()
    plain = PlainConsole(file=written, force_terminal=terminal, width=100, color_system=None)
    monkeypatch.setattr(console_module, "console", plain)
    return written


class Clock:
    """Seconds as a test sets them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(module.time, "monotonic", lambda: self.now)


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def plain(written: io.StringIO) -> list[str]:
    """Lines without control codes."""
    text = re.sub(r"\x1b\[[?0-9]*[A-Za-z]", "", written.getvalue())
    return text.replace("\r", "\n").splitlines()


def last_rows(written: io.StringIO, count: int) -> list[str]:
    """The rows of the last frame: one space between columns, the shortest bars, no time left."""
    rows = [" ".join(row.split()) for row in plain(written)]
    shown = [re.sub(r" \d+ s left$", "", re.sub("[━╸╺]+", "━", row)) for row in rows if row]
    return shown[-count:]


def test_without_a_terminal_there_is_a_line_now_and_then(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    written, clock = screen(monkeypatch, terminal=False), Clock(monkeypatch)
    with TrainingProgress(epochs=2, total=100, done=0) as progress:
        clock.now += 14  # the first step also compiles: its time does not count for the speed
        progress.advance(0, 8.0, 10)
        assert lines(caplog) == ["epoch 1/2, loss 8.0000"]
        clock.now += 1
        progress.advance(0, 4.0, 10)
        clock.now += 4
        progress.advance(0, 4.0, 10)
        clock.now += 0.1
        progress.advance(1, 4.0, 10)
    # 8, then 5 % of 4 each time; 10 images in the second after the first step, 20 in 5 seconds.
    assert lines(caplog) == [
        "epoch 1/2, loss 8.0000",
        "epoch 1/2, loss 7.6100, 4.0 images/s, 18 s left",
    ]
    caplog.clear()
    with TrainingProgress(epochs=2, total=100, done=0) as progress:
        clock.now += 40
        progress.advance(0, 8.0, 10)
    assert lines(caplog) == ["epoch 1/2, loss 8.0000"]
    assert written.getvalue().strip() == ""


def test_a_resumed_run_counts_what_was_done_before(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    screen(monkeypatch, terminal=False)
    clock = Clock(monkeypatch)
    with TrainingProgress(epochs=4, total=400, done=300) as progress:
        clock.now += 20
        progress.advance(3, 1.0, 20)
        clock.now += 20
        progress.advance(4, 1.0, 20)  # after the last step the position is that of no epoch
    assert lines(caplog) == [
        "epoch 4/4, loss 1.0000",
        "epoch 4/4, loss 1.0000, 1.0 images/s, 1 min 00 s left",
    ]


def test_a_terminal_has_a_bar(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    written, clock = screen(monkeypatch, terminal=True), Clock(monkeypatch)
    with TrainingProgress(epochs=2, total=100, done=50) as progress:
        progress.advance(1, 0.25, 5)
        clock.now += 20
        progress.advance(1, 0.25, 20)
    (row,) = last_rows(written, 1)
    assert row == "Training ━ 75 % epoch 2/2, loss 0.2500, 1.0 images/s"
    # A terminal echoes ^C behind it.
    assert max(map(len, plain(written))) == 97
    assert lines(caplog) == []


def test_parts_of_a_whole_are_rows_of_one_display(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    written, clock = screen(monkeypatch, terminal=True), Clock(monkeypatch)

    def first() -> None:
        with progress_bar("Loading", 4) as bar:
            bar.advance(4)
        assert rows()[0] == "1/3 [bold] 100 %"
        clock.now += 75

    def second() -> None:
        assert rows() == ["1/3 [bold] 100 % in 1 min 15 s", "2/3 b 0 %", "3/3 c 0 %"]
        with progress_bar("Loading", 8, done=2) as bar:
            bar.advance()
            bar.advance()
            assert rows() == ["1/3 [bold] 100 % in 1 min 15 s", "2/3 b 50 % Loading", "3/3 c 0 %"]
        with TrainingProgress(epochs=2, total=100, done=0) as progress:
            progress.advance(0, 0.5, 10)
            assert rows()[1] == "2/3 b 10 % epoch 1/2, loss 0.5000"
            clock.now += 1
            progress.advance(0, 0.5, 10)
            assert rows()[1] == "2/3 b 20 % epoch 1/2, loss 0.5000, 10.0 images/s"

    def rows() -> list[str]:
        stages._rows.refresh()
        return [row.replace("━ ", "") for row in last_rows(written, 3)]

    with Stages(["[bold]", "b", "c"]) as stages:
        for part in (first, second):
            with stages.next():
                part()
        with stages.next():
            clock.now += 3
    assert rows() == [
        "1/3 [bold] 100 % in 1 min 15 s", "2/3 b 100 % in 1 s", "3/3 c 100 % in 3 s",
    ]  # fmt: skip
    assert lines(caplog) == []


def test_a_part_that_fails_stays_as_far_as_it_came(monkeypatch: pytest.MonkeyPatch) -> None:
    written = screen(monkeypatch, terminal=True)

    def fail() -> None:
        with Stages(["a", "b"]) as stages, stages.next(), progress_bar("Loading", 4) as bar:
            bar.advance()
            raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011
        fail()
    assert last_rows(written, 2) == ["1/2 a ━ 25 % Loading", "2/2 b ━ 0 %"]
    # What comes later has bars of its own again.
    with TrainingProgress(epochs=1, total=1, done=0) as progress:
        progress.advance(0, 1.0, 1)
    assert last_rows(written, 1)[0].startswith("Training ━")


def test_without_a_terminal_the_log_names_the_parts(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    written = screen(monkeypatch, terminal=False)
    with Stages(["a", "b"]) as stages:
        with stages.next(), progress_bar("Loading", 4, shown=False) as bar:
            bar.advance()
        with stages.next():
            pass
    assert lines(caplog) == ["1 of 2: a.", "2 of 2: b."]
    assert written.getvalue().strip() == ""


def test_images_are_loaded_with_bars_in_several_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = screen(monkeypatch, terminal=True)
    paths = [tmp_path / f"{number}.png" for number in range(3)]
    for path in paths:
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(path)
    with Stages(["a"]) as stages, stages.next():
        load_images(paths, (8, 8), progress=True, warn=False)
        with ThreadPoolExecutor(4) as pool:
            jobs = [pool.submit(load_images, paths, (8, 8), 3, True, False) for _ in range(8)]
            assert [tuple(job.result().shape) for job in jobs] == [(3, 3, 8, 8)] * 8
    assert last_rows(written, 1)[0].startswith("1/1 a ━")
