"""Signals that end a command: Ctrl-C, SIGTERM, and the SIGHUP of a connection that is closed."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType


class Interrupted(Exception):  # noqa: N818 - it is no error
    """A run was stopped by a signal; the message says how to go on."""


def ending_signals() -> list[signal.Signals]:
    """The signals that end a command; ``nohup`` ignores SIGHUP, and it stays ignored."""
    signals = [signal.SIGINT, signal.SIGTERM]
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signals.append(signal.SIGHUP)
    return signals


@contextlib.contextmanager
def ended_as_by_ctrl_c() -> Iterator[None]:
    """Let the other signals end a block as Ctrl-C does, so that it leaves everything in order."""
    if threading.current_thread() is not threading.main_thread():
        yield  # Python delivers signals to the main thread only
        return
    signals = [number for number in ending_signals() if number != signal.SIGINT]

    def end(_number: int, _frame: FrameType | None) -> None:
        # They come in groups: a terminal that closes sends one, its shell another.
        for number in signals:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    previous = {number: signal.signal(number, end) for number in signals}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Let these signals wait for the end of a block, which may not take long.

    What one raises in the middle of a lock's own code, such as a pool's that is given work, may
    leave it locked for ever, and whoever then waits for the pool.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    previous: dict[signal.Signals, Callable[[int, FrameType | None], object]] = {}
    try:
        for number in ending_signals():
            handler = signal.getsignal(number)
            if callable(handler):
                previous[number] = handler
                signal.signal(number, lambda number, _frame: came.append(number))
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])


class StopRequest:
    """Notes signals that end a command while a ``with`` block lasts; a second Ctrl-C interrupts.

    Attributes:
        made: whether one of them has arrived.
    """

    def __init__(self) -> None:
        self.made = False
        self._previous: dict[int, object] = {}

    def __enter__(self) -> StopRequest:
        # Python delivers signals to the main thread only, and only there may they be handled.
        if threading.current_thread() is threading.main_thread():
            for number in ending_signals():
                self._previous[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if self.made and number == signal.SIGINT:  # the others come in groups
            raise KeyboardInterrupt
        self.made = True
