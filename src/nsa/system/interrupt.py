"""Ctrl-C during training: finish the step, save, stop."""

from __future__ import annotations

import signal
import threading
from types import FrameType


class Interrupted(Exception):  # noqa: N818 - it is no error
    """A run was stopped by a signal; the message says how to go on."""


class StopRequest:
    """Notes SIGINT and SIGTERM while a ``with`` block lasts; a second one interrupts at once.

    Attributes:
        made: whether one of them has arrived.
    """

    def __init__(self) -> None:
        self.made = False
        self._previous: dict[int, object] = {}

    def __enter__(self) -> StopRequest:
        # Python delivers signals to the main thread only, and only there may they be handled.
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        if self.made:
            raise KeyboardInterrupt
        self.made = True
