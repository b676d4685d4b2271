"""What a person at a terminal sees: log lines, tables, and how numbers and paths are written."""

from __future__ import annotations

import io
import logging
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from nsa.system.places import named, with_urls_named


def printable(text: str) -> str:
    """Text on one line: what would move or hide on a terminal, or is no character, as ``\\x1b``."""
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text
    )


def as_argument(path: str | Path) -> str:
    """A path as a shell takes it in a command that a message suggests."""
    text = named(path) if isinstance(path, Path) else path
    return subprocess.list2cmdline([text]) if sys.platform == "win32" else shlex.quote(text)


class PlainConsole(Console):
    """Prints text as it is, in messages and tables: names of files may hold anything.

    Brackets are no markup, ``:key:`` is no picture, and control characters show themselves. Copies
    of what lies at URLs are called by those.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, **options)

    def write_to_file(self) -> None:
        """Write as into a file from now on, without colours: the stream has become one."""
        # Its streams are looked up when it writes, what they are capable of when it is made.
        vars(self).update(vars(PlainConsole(stderr=self.stderr, force_terminal=False)))

    def render_str(self, text: str, **options: Any) -> Text:
        """See :meth:`rich.console.Console.render_str`, which all text passes."""
        return super().render_str(printable(with_urls_named(text)), **options)


# Results go to standard output, everything else here, so that results can be piped.
console = PlainConsole(stderr=True)
standard_output = PlainConsole()

_log = logging.getLogger("nsa")


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
        lasting: what was drawn last stays; else it vanishes.
    """

    def __init__(self, draw: Callable[[], RenderableType], *, lasting: bool = True) -> None:
        self._draw = draw
        self._live = Live(console=console, auto_refresh=False, transient=not lasting)

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
