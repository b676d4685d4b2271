"""How it goes, for a person: drawn at a terminal, else a line in the log now and then."""

from __future__ import annotations

import logging
import time
from collections import deque
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
from rich.table import Table

from nsa.runs.decisions import ANOMALOUS
from nsa.system.console import LiveView, console, duration

if TYPE_CHECKING:
    from typing_extensions import Self

_log = logging.getLogger("nsa")
_MINUTE = 60.0
_SECONDS_BETWEEN_LINES = 15.0


class Standing:
    """Counts what is done, while a ``with`` block lasts.

    Attributes:
        known: files that have a row from an earlier call.
        judged, anomalous, unreadable: files of this one.
    """

    def __init__(self) -> None:
        self.known = self.judged = self.anomalous = self.unreadable = 0
        self._begin = self._last_line = time.monotonic()
        self._ends: deque[tuple[float, int]] = deque()  # of the last minute, and how many ended
        self._view = LiveView(self._draw)

    def __enter__(self) -> Self:
        self._view.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._view.__exit__()

    def add(self, rows: pa.Table, unreadable: int) -> None:
        """Count rows of judged images, and files that cannot be read."""
        now = time.monotonic()
        self.judged += rows.num_rows
        self.unreadable += unreadable
        self.anomalous += pc.sum(pc.equal(rows["predicted"], ANOMALOUS)).as_py() or 0
        self._ends.append((now, rows.num_rows + unreadable))
        self._view.update()
        if not console.is_terminal and now - self._last_line >= _SECONDS_BETWEEN_LINES:
            self._last_line = now
            _log.info(
                "%d scored, %d anomalous, %d unreadable, %d known; %.1f images/s.",
                self.judged, self.anomalous, self.unreadable, self.known, self._rate(),
            )  # fmt: skip

    def _rate(self) -> float:
        """Files a second, of the last minute."""
        now = time.monotonic()
        while self._ends and now - self._ends[0][0] > _MINUTE:
            self._ends.popleft()
        seconds = min(_MINUTE, max(now - self._begin, 1.0))
        return sum(count for _, count in self._ends) / seconds

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
