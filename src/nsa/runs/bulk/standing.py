"""How it goes, for a person: drawn at a terminal, else a line in the log every 15 seconds."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from typing import TYPE_CHECKING

import pyarrow as pa
from rich.table import Table

from nsa.runs.bulk.rows import anomalous_in
from nsa.system.console import LiveView, console, duration

if TYPE_CHECKING:
    from typing_extensions import Self

_log = logging.getLogger("nsa")
_MINUTE = 60.0
_SECONDS_BETWEEN_LINES, _SECONDS_BETWEEN_VIEWS = 15.0, 0.5


class Standing:
    """Counts what is done, while a ``with`` block lasts, and shows it though nothing comes.

    Args:
        awaited: what a person waits for while no rows come.

    Attributes:
        known: files that have a row from an earlier call.
        judged, anomalous, unreadable: files of this one.
    """

    def __init__(self, awaited: str) -> None:
        self.known = self.judged = self.anomalous = self.unreadable = 0
        self._awaited, self._begin = awaited, time.monotonic()
        self._ends: deque[tuple[float, int]] = deque()  # of the last minute, and how many ended
        self._view = LiveView(self._draw)
        self._lock, self._ended = threading.Lock(), threading.Event()
        self._showing = threading.Thread(target=self._show, daemon=True)

    def __enter__(self) -> Self:
        self._view.__enter__()
        self._showing.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._showing.join()
        self._view.update()
        self._view.__exit__()

    def add(self, rows: pa.Table, unreadable: int) -> None:
        """Count rows of judged images, and files that cannot be read."""
        self.judged += rows.num_rows
        self.unreadable += unreadable
        self.anomalous += anomalous_in(rows)
        with self._lock:
            self._ends.append((time.monotonic(), rows.num_rows + unreadable))

    def _show(self) -> None:
        """Show how it goes until it has ended."""
        at_terminal, before = console.is_terminal, 0
        while not self._ended.wait(
            _SECONDS_BETWEEN_VIEWS if at_terminal else _SECONDS_BETWEEN_LINES
        ):
            if at_terminal:
                self._view.update()
                continue
            done = self.judged + self.unreadable + self.known
            _log.info(
                "%d scored, %d anomalous, %d unreadable, %d known; %.1f images/s%s.",
                self.judged, self.anomalous, self.unreadable, self.known, self._rate(),
                f", waiting for {self._awaited}" if done == before else "",
            )  # fmt: skip
            before = done

    def _rate(self) -> float:
        """Files a second, of the last minute."""
        now = time.monotonic()
        with self._lock:
            while self._ends and now - self._ends[0][0] > _MINUTE:
                self._ends.popleft()
            count = sum(count for _, count in self._ends)
        return count / min(_MINUTE, max(now - self._begin, 1.0))

    def _draw(self) -> Table:
        table = Table.grid(padding=(0, 2))
        for name, value in (
            ("scored", f"{self.judged:,}"),
            ("anomalous", f"{self.anomalous:,}"),
            ("unreadable", f"{self.unreadable:,}"),
            ("known from before", f"{self.known:,}"),
            ("images/s, last minute", f"{self._rate():.1f}"),
            ("for", duration(time.monotonic() - self._begin)),
        ):
            table.add_row(name, value)
        return table
