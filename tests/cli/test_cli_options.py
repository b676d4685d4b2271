"""Options of the command line, made from the fields of requests."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from nsa.cli.app import app as nsa_app
from nsa.cli.options import options_of, with_options
from nsa.settings.options import Request, option

RUNNER = CliRunner()


@dataclass(frozen=True, kw_only=True)
class Asked(Request):
    """Three kinds of options."""

    number: int | None = option("A number. [default: 3]", low=1, high=9)
    place: Path | None = option("A place.", flags=("--at",))
    loud: bool = option("Say more.", default=False, flags=("--loud",))
    shade: float | str | None = option("A shade.", parse=float)
    folders: tuple[Path, ...] | None = option("Folders.")


@dataclass(frozen=True, kw_only=True)
class Other(Request):
    """An option in the place of another."""

    number: str | None = option("Any number.")


def app(given: dict[str, Any], *groups: Any) -> typer.Typer:
    made = typer.Typer()

    @with_options(*groups)
    def work(**values: Any) -> None:
        """What it does."""
        given.update(values)

    made.command("work")(work)
    return made


def test_only_what_is_given_arrives_in_its_type() -> None:
    given: dict[str, Any] = {}
    made = app(given, options_of(Asked))
    assert RUNNER.invoke(made, ["--number", "4", "--at", "x", "--shade", "0.5"]).exit_code == 0
    assert given == {"number": 4, "place": Path("x"), "loud": False, "shade": "0.5"}
    assert Asked.read(given).shade == 0.5
    given.clear()
    assert RUNNER.invoke(made, ["--loud"]).exit_code == 0
    assert given == {"loud": True}


def test_some_may_be_given_several_times() -> None:
    given: dict[str, Any] = {}
    made = app(given, options_of(Asked))
    assert RUNNER.invoke(made, ["--folders", "a", "--folders", "b"]).exit_code == 0
    assert Asked.read(given).folders == (Path("a"), Path("b"))


@pytest.mark.parametrize(
    ("twice", "command"),
    [
        ("--data-root", "train --data-root a --data-root b"),
        ("--seed", "train --normal-dir a --seed=1 --normal-dir b --seed 1"),
        ("--output", "predict run image.png --output a --no-overlays --no-overlays --output b"),
        ("--device", "calibrate run a --device cpu b --device cpu"),
    ],
)
def test_an_option_of_one_value_cannot_be_given_two(twice: str, command: str) -> None:
    result = RUNNER.invoke(nsa_app, command.split())
    assert result.exit_code == 2
    assert f"'{twice}': given twice" in result.output


def test_zero_is_given() -> None:
    given: dict[str, Any] = {}
    made = app(given, options_of(Asked))
    assert RUNNER.invoke(made, ["--shade", "0"]).exit_code == 0
    assert given["shade"] == "0"


@pytest.mark.parametrize("value", ["0", "10", "x"])
def test_bounds_and_types_are_checked(value: str) -> None:
    assert RUNNER.invoke(app({}, options_of(Asked)), ["--number", value]).exit_code == 2


def test_help_has_what_the_fields_say() -> None:
    shown = RUNNER.invoke(app({}, options_of(Asked)), ["--help"]).output
    for words in ("What it does.", "A number. [default: 3]", "--at", "--loud"):
        assert words in shown
    assert "--no-loud" not in shown


def test_some_options_and_others_in_their_place() -> None:
    given: dict[str, Any] = {}
    made = app(given, options_of(Asked, "number"), options_of(Other))
    assert RUNNER.invoke(made, ["--number", "many"]).exit_code == 0
    assert given == {"number": "many"}
    assert RUNNER.invoke(made, ["--shade", "1"]).exit_code == 2
