"""Requests: options declared once, read from plain values, turned into overrides of settings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from nsa.errors import InputError
from nsa.settings.options import (
    NONE,
    Request,
    TrainRequest,
    option,
    parse_background,
    read_options,
    section,
)


@dataclass(frozen=True, kw_only=True)
class Example(Request):
    """One option of every kind."""

    count: int | None = option("How many.", section="part", low=1, high=9)
    share: float | None = option("How much.")
    place: Path | None = option("Where.", flags=("--at",), panel="Places")
    folders: tuple[Path, ...] | None = option("Which.")
    background: float | str | None = option(
        "Grey.", section="part", parse=parse_background, null=NONE
    )
    part: dict[str, Any] = section()


def test_options_are_the_fields_in_order() -> None:
    assert list(Example.options()) == ["count", "share", "place", "folders", "background"]
    assert Example.sections() == ["part"]
    place = Example.options()["place"]
    assert (place.help, place.flags, place.panel) == ("Where.", ("--at",), "Places")
    assert (Example.options()["count"].low, Example.options()["count"].high) == (1, 9)


def test_nothing_given_is_none() -> None:
    assert Example.read({}) == Example()
    assert Example().given() == {}
    assert Example().overrides("part") == {}


def test_values_get_their_types() -> None:
    request = Example.read({"count": 3.0, "share": 0.5, "place": "~/x", "part": {"y": [1, 2]}})
    assert request.count == 3
    assert isinstance(request.count, int)
    assert request.share == 0.5
    assert request.place == Path("~/x").expanduser()
    assert request.part == {"y": [1, 2]}


@pytest.mark.parametrize(
    ("value", "folders"),
    [("a", ["a"]), (["a", "~/b"], ["a", Path("~/b").expanduser()]), ([Path("a")], ["a"])],
)
def test_several_values_and_one(value: object, folders: list[str | Path]) -> None:
    assert Example.read({"folders": value}).folders == tuple(map(Path, folders))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"folders": 7}, "folders must be a path, got 7; put it in quotes"),
        ({"folders": ["a", 7]}, "folders must be a path, got 7; put it in quotes"),
        ({"folders": []}, "folders is an empty list"),
        ({"count": "three"}, "count must be a whole number, got 'three'"),
        ({"count": 2.5}, "count must be a whole number"),
        ({"count": True}, "count must be a whole number"),
        ({"count": float("inf")}, "count must be a whole number"),
        ({"count": 0}, "count must be from 1 to 9, got 0"),
        ({"count": 10}, "count must be from 1 to 9, got 10"),
        ({"share": "half"}, "share must be a finite number"),
        ({"place": 7}, "place must be a path, got 7; put it in quotes"),
        ({"part": 7}, "'part' must be a section of names and values"),
        ({"background": "grey"}, "--background must be a number from 0 to 255 or none"),
        ({"background": True}, "--background must be a number from 0 to 255 or none"),
        ({"background": 10**400}, "--background must be a number from 0 to 255 or none"),
        ({"share": 10**400}, "share must be a finite number"),
        ({"part": {1: 2}}, "'part' must be a section of names and values"),
        ({"background": [1]}, "--background must be a number from 0 to 255 or none"),
    ],
)
def test_wrong_types_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Example.read(values)


def test_a_section_of_a_file_is_named_with_it() -> None:
    with pytest.raises(InputError, match=r"'part' in o\.yaml must be"):
        Example.read({"part": []}, "o.yaml")


def test_null_is_not_given_unless_it_means_something() -> None:
    request = Example.read({"count": None, "place": None, "background": None})
    assert request == Example(background=NONE)


@pytest.mark.parametrize(
    ("text", "value"), [("none", NONE), ("None", NONE), ("12", 12.0), (12, 12.0), ("1e1", 10.0)]
)
def test_background(text: object, value: object) -> None:
    assert parse_background(text) == value


def test_options_go_before_their_section() -> None:
    request = Example(count=4, share=0.5, part={"count": 2, "other": 1})
    assert request.overrides("part") == {"count": 4, "other": 1}
    assert request.part == {"count": 2, "other": 1}


def test_no_background_overrides_one() -> None:
    assert Example(background=NONE).overrides("part") == {"background": None}
    assert Example(background=0.0).overrides("part") == {"background": 0.0}


def test_only_an_option_that_may_be_none_takes_the_word_for_it() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Words(Request):
        word: str | None = option("Any word.", section="part")
        part: dict[str, Any] = section()

    assert Words(word=NONE).overrides("part") == {"word": "none"}


def test_what_was_given_travels_as_yaml() -> None:
    folders = (Path("/x"), Path("y"))
    request = Example(
        count=1, share=0.0, place=Path("/x"), folders=folders, background=NONE, part={"a": None}
    )
    plain = yaml.safe_load(yaml.safe_dump(request.given()))
    assert plain == {
        "count": 1, "share": 0.0, "place": "/x", "folders": ["/x", "y"], "background": "none",
        "part": {"a": None},
    }  # fmt: skip
    assert Example.read(plain) == request


def test_replacing_leaves_the_rest() -> None:
    assert Example(count=1, share=0.5).replace(count=None) == Example(share=0.5)


def test_places_are_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    places = TrainRequest(data_root=Path("data")).places()
    assert places == {"data_root": str(tmp_path / "data"), "normal_dir": None}
    places = TrainRequest(normal_dir=(Path("a"), Path("/b"))).places()
    assert places == {"data_root": None, "normal_dir": [str(tmp_path / "a"), "/b"]}


def test_a_runs_stamps_are_no_options(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("format_version: 1\nnsa_version: 0\nepochs: 3\n")
    assert read_options(path) == {"epochs": 3}
