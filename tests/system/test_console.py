"""What a person at a terminal reads, and what a log file gets instead."""

from __future__ import annotations

import io
import logging
import subprocess
import sys
from pathlib import Path

import pytest
from rich.table import Table

from nsa.system import console as module
from nsa.system.console import (
    LiveView,
    PlainConsole,
    as_argument,
    counted,
    duration,
    log_to_console,
    print_any_character,
    printable,
)


def screen(monkeypatch: pytest.MonkeyPatch, terminal: bool) -> io.StringIO:
    """What is written, by a console of 80 columns."""
    written = io.StringIO()
    plain = PlainConsole(file=written, force_terminal=terminal, width=80, color_system=None)
    monkeypatch.setattr(module, "console", plain)
    return written


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"), (0.4, "0 s"), (48, "48 s"), (59.4, "59 s"), (59.6, "1 min 00 s"),
        (200, "3 min 20 s"), (3599.4, "59 min 59 s"), (3599.6, "1 h 00 min"), (7500, "2 h 05 min"),
        (360_000, "100 h 00 min"),
    ],
)  # fmt: skip
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 epochs"), (1, "1 epoch"), (2, "2 epochs"), (-1, "-1 epochs")]
)
def test_counted(number: int, text: str) -> None:
    assert counted(number, "epoch") == text


def test_messages_are_shown_once_and_as_they_are(
    log: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = screen(monkeypatch, terminal=False)
    log.handlers.clear()
    log_to_console()
    log_to_console()
    long = "a line of more than eighty columns: " + "x" * 100
    log.debug("hidden")
    log.info("%d of [bold]%s[/bold]", 3, "four")
    log.warning(long)
    assert written.getvalue() == f"3 of [bold]four[/bold]\n{long}\n"
    assert not log.propagate  # or a program that logs itself would show them twice


def test_warnings_are_yellow(log: logging.Logger, monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()
    monkeypatch.setattr(
        module, "console", PlainConsole(file=written, force_terminal=True, color_system="standard")
    )
    log.handlers.clear()
    log_to_console()
    log.info("plain")
    log.warning("careful")
    log.error("wrong")
    assert written.getvalue() == "plain\n\x1b[33mcareful\x1b[0m\n\x1b[33mwrong\x1b[0m\n"


@pytest.mark.parametrize("terminal", [True, False])
def test_a_live_view_is_drawn_at_a_terminal_only(
    terminal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    written, drawn = screen(monkeypatch, terminal), []

    def draw() -> str:
        drawn.append(len(drawn))
        return f"number {len(drawn)}"

    with LiveView(draw) as view:
        view.update()
        view.update()
    assert len(drawn) == (2 if terminal else 0)
    assert ("number 2" in written.getvalue()) == terminal


NAMES = {
    "[bold]x[/bold] [/]": "[bold]x[/bold] [/]",
    ":key: *a* 123 'b'": ":key: *a* 123 'b'",
    "a\x1b[31mb\x9b31mc\rd": r"a\x1b[31mb\x9b31mc\rd",
    "two\nlines\tand\u2028more": r"two\nlines\tand\u2028more",
    "\udcff\u202e": r"\udcff\u202e",
    "Öl 日本": "Öl 日本",
}


def test_paths_in_commands_are_what_a_shell_takes(tmp_path: Path) -> None:
    for name in ("plain-1.png", "with space", "it's", "$HOME", "a;b", "[x]", "Öl 日本"):
        printed = subprocess.run(
            f"printf %s {as_argument(tmp_path / name)}", shell=True, capture_output=True, check=True
        )
        assert printed.stdout.decode() == str(tmp_path / name)
    assert as_argument("runs/good-001") == "runs/good-001"


@pytest.mark.parametrize("name", NAMES)
def test_names_are_shown_as_they_are_on_one_line(name: str) -> None:
    assert printable(name) == NAMES[name]
    written = io.StringIO()
    plain = PlainConsole(file=written, width=200, force_terminal=True, color_system="truecolor")
    plain.print(name, soft_wrap=True)
    assert written.getvalue() == NAMES[name] + "\n"
    table = Table(name, title=name, box=None)
    table.add_row(name)
    plain.print(table)
    assert written.getvalue().count(NAMES[name]) == 4


def test_standard_output_takes_what_its_encoding_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    print_any_character()
    table = Table("Öl")
    table.add_row("日" * 200)  # which is cut with an ellipsis
    PlainConsole(width=40).print(table)
    sys.stdout.flush()
    assert raw.getvalue().startswith(b"+---")
    assert rb"\xd6l" in raw.getvalue()
