"""How far work has come, for a person at a terminal: a bar, or one row for each part of a whole."""

from __future__ import annotations

import contextlib
import logging
import math
import time
from collections.abc import Iterable, Iterator, Sequence
from contextvars import ContextVar
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.table import Table
from rich.text import Text

from nsa.system import console as screen
from nsa.system.console import PlainConsole, duration

_log = logging.getLogger("nsa")
_SECONDS_BETWEEN_LINES = 5.0  # where several are trained, a table shows the last one of each
_at_work: ContextVar[Stages | None] = ContextVar("stages", default=None)


class Bar:
    """Counts what is done; drawn by :func:`progress_bar`."""

    def __init__(self, rows: Progress, row: TaskID) -> None:
        self._rows, self._row = rows, row

    def advance(self, count: int = 1, text: str | None = None) -> None:
        """Count more; ``text`` says how it goes."""
        self._rows.advance(self._row, count)
        if text is not None:
            self._rows.update(self._row, text=text)


@contextlib.contextmanager
def progress_bar(
    title: str, total: int, *, done: int = 0, shown: bool = True, lasting: bool = False
) -> Iterator[Bar]:
    """A bar on standard error, or in the row of the :class:`Stages` that are at work.

    Args:
        title: of what is counted.
        total, done: how much there is of it, and how much is done already.
        shown: whether there is one.
        lasting: what is logged appears above it, and it stays when all is done; else it vanishes.
    """
    stages = _at_work.get()
    if shown and stages is not None:
        bar = stages.count(title, total, done)
        yield bar
        bar.advance(0, "")
        return
    # One of its own for what may run in several threads at once: a console draws one at a time.
    where = screen.console if lasting else PlainConsole(stderr=True)
    with _Rows(where, shown, transient=not lasting) as rows:
        yield Bar(rows, rows.add_task(title, total=total, completed=done, text=""))


class TrainingProgress:
    """A bar with loss, images per second and time left; lines now and then without a terminal.

    Args:
        epochs: epochs of the whole run.
        total: images of the whole run.
        done: images before this start, when a run is resumed.
    """

    def __init__(self, epochs: int, total: int, done: int) -> None:
        self._epochs, self._total, self._first, self._done = epochs, total, done, done
        terminal = screen.console.is_terminal
        self._drawn = progress_bar("Training", total, done=done, shown=terminal, lasting=True)
        self._loss = float("nan")
        self._begun = False
        self._start, self._last_line = 0.0, -math.inf

    def __enter__(self) -> TrainingProgress:
        self._start = time.monotonic()
        self._bar = self._drawn.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._drawn.__exit__(kind, error, trace)

    def advance(self, epoch: int, loss: float, count: int) -> None:
        """Tell one step of ``count`` images; ``epoch`` counts from 0."""
        self._done += count
        # A moving average over about 20 steps: single batches jump too much to read.
        self._loss = loss if self._loss != self._loss else 0.95 * self._loss + 0.05 * loss
        now = time.monotonic()
        text = f"epoch {min(epoch + 1, self._epochs)}/{self._epochs}, loss {self._loss:.4f}"
        left = ""
        if self._begun:
            speed = (self._done - self._first) / max(now - self._start, 1e-9)
            text += f", {speed:.1f} images/s"
            left = f", {duration((self._total - self._done) / speed)} left"
        else:  # the first step also compiles, and says nothing about the others
            self._begun, self._first, self._start = True, self._done, now
        self._bar.advance(count, text)
        if not screen.console.is_terminal and now - self._last_line >= _SECONDS_BETWEEN_LINES:
            self._last_line = now
            _log.info("%s%s", text, left)


class Stages:
    """The parts of a whole, a row for each; without a terminal the log says which one begins.

    Every :func:`progress_bar` of a part is drawn in its row.

    Args:
        names: of all parts, in their order.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._rows = _Rows(screen.console, screen.console.is_terminal, transient=False)
        self._tasks = [
            self._rows.add_task(f"{number}/{len(names)} {name}", total=1, start=False, text="")
            for number, name in enumerate(names, 1)
        ]
        self._current = -1

    def __enter__(self) -> Stages:
        self._rows.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._rows.stop()

    @contextlib.contextmanager
    def next(self) -> Iterator[None]:
        """Begin the next part."""
        self._current += 1
        row, start = self._tasks[self._current], time.monotonic()
        if not screen.console.is_terminal:
            name = self._names[self._current]
            _log.info("%d of %d: %s.", self._current + 1, len(self._names), name)
        token = _at_work.set(self)
        try:
            yield
        finally:
            _at_work.reset(token)
        self._rows.update(
            row, total=1, completed=1, text=f"in {duration(time.monotonic() - start)}"
        )

    def count(self, title: str, total: int, done: int) -> Bar:
        """A bar in the row of the part that is at work, in the place of what it had."""
        row = self._tasks[self._current]
        self._rows.reset(row, total=total, completed=done, text=title)
        return Bar(self._rows, row)


class _TimeLeft(ProgressColumn):
    """As :func:`nsa.system.console.duration` writes it; nothing where it is not known."""

    max_refresh = 0.5  # seconds: the estimate jumps too much to read

    def render(self, task: Task) -> Text:
        seconds = task.time_remaining
        known = seconds is not None and not task.finished
        return Text(f"{duration(seconds)} left" if known and seconds is not None else "")


class _Rows(Progress):
    """A row for each bar, as wide as a console allows."""

    def __init__(self, where: Console, shown: bool, *, transient: bool) -> None:
        self._where = where
        super().__init__(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            TextColumn("{task.percentage:3.0f} %"),
            TextColumn("{task.fields[text]}", markup=False),
            _TimeLeft(),
            console=where,
            disable=not shown,
            transient=transient,
        )

    def make_tasks_table(self, tasks: Iterable[Task]) -> Table:
        table = super().make_tasks_table(tasks)
        # A terminal echoes ^C behind the last row, which must not move it to the next line.
        table.width = max(1, self._where.width - len("^C") - 1)
        return table
