"""What a person at a terminal sees: log lines, and progress of the training."""

from __future__ import annotations

import io
import logging
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Console, RenderableType
from rich.live import Live
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text


def printable(text: str) -> str:
    """Text on one line: what would move or hide on a terminal, or is no character, as ``\\x1b``."""
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text
    )


def as_argument(path: str | Path) -> str:
    """A path as a shell takes it in a command that a message suggests."""
    text = str(path)
    return subprocess.list2cmdline([text]) if sys.platform == "win32" else shlex.quote(text)


class PlainConsole(Console):
    """Prints text as it is, in messages and tables: names of files may hold anything.

    Brackets are no markup, ``:key:`` is no picture, and control characters show themselves.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """See :meth:`rich.console.Console.render_str`, which all text passes."""
        return super().render_str(printable(text), **options)


# Results go to standard output, everything else here, so that results can be piped.
console = PlainConsole(stderr=True)
standard_output = PlainConsole()

_log = logging.getLogger("nsa")
_SECONDS_BETWEEN_LINES = 15.0


class _ConsoleHandler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        style = "yellow" if record.levelno >= logging.WARNING else ""
        console.print(record.getMessage(), style=style, soft_wrap=True)


def print_any_character() -> None:
    """Let standard output take what its encoding lacks as ``\\u2026``, as standard error does."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def log_to_console() -> None:
    """Show the log of this package on standard error."""
    if not any(isinstance(handler, _ConsoleHandler) for handler in _log.handlers):
        _log.addHandler(_ConsoleHandler())
        _log.setLevel(logging.INFO)
        _log.propagate = False


def duration(seconds: float) -> str:
    """Seconds for a reader: ``"48 s"``, ``"3 min 20 s"``, ``"2 h 05 min"``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def counted(number: int, noun: str) -> str:
    """``"1 epoch"``, ``"2 epochs"``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


class LiveView:
    """Something drawn anew now and then, at a terminal only.

    Args:
        draw: what to show now.
    """

    def __init__(self, draw: Callable[[], RenderableType]) -> None:
        self._draw = draw
        self._live = Live(console=console, auto_refresh=False)

    def __enter__(self) -> LiveView:
        if console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if console.is_terminal:
            self._live.stop()

    def update(self) -> None:
        if console.is_terminal:
            self._live.update(self._draw(), refresh=True)


class TrainingProgress:
    """A bar with loss, images per second and time left; lines now and then without a terminal.

    Args:
        epochs: epochs of the whole run.
        total: images of the whole run.
        done: images before this start, when a run is resumed.
    """

    def __init__(self, epochs: int, total: int, done: int) -> None:
        self._epochs, self._total, self._first, self._done = epochs, total, done, done
        self._bar = Progress(
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(),
            TextColumn("{task.percentage:3.0f} %"),
            TextColumn("loss {task.fields[loss]}"),
            TextColumn("{task.fields[speed]} images/s"),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task: TaskID | None = None
        self._loss = float("nan")
        self._begun = False
        self._start = self._last_line = 0.0

    def __enter__(self) -> TrainingProgress:
        self._start = self._last_line = time.monotonic()
        self._bar.start()
        self._task = self._bar.add_task(
            "", total=self._total, completed=self._done, epoch="", loss="-", speed="-"
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def advance(self, epoch: int, loss: float, count: int) -> None:
        """Tell one step of ``count`` images; ``epoch`` counts from 0."""
        self._done += count
        # A moving average over about 20 steps: single batches jump too much to read.
        self._loss = loss if self._loss != self._loss else 0.95 * self._loss + 0.05 * loss
        now = time.monotonic()
        speed = (self._done - self._first) / max(now - self._start, 1e-9)
        if not self._begun:  # the first step also compiles, and says nothing about the others
            self._begun, self._first, self._start = True, self._done, now
        position = f"{min(epoch + 1, self._epochs)}/{self._epochs}"
        if self._task is not None:
            self._bar.update(
                self._task, completed=self._done, epoch=position, loss=f"{self._loss:.4f}",
                speed=f"{speed:.1f}",
            )  # fmt: skip
        if not console.is_terminal and now - self._last_line >= _SECONDS_BETWEEN_LINES:
            self._last_line = now
            left = duration((self._total - self._done) / speed)
            _log.info(
                "epoch %s, loss %.4f, %.1f images/s, %s left", position, self._loss, speed, left
            )
