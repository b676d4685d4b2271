"""Files read back: values of the right types, or one sentence that names the file."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from nsa.errors import InputError
from nsa.system.files import to_yaml
from nsa.system.readers import parse_number, read_csv, read_json, read_yaml


def test_yaml_is_read_back_in_its_order(tmp_path: Path) -> None:
    values = {"zeta": [1, 2], "alpha": {"name": "Öl", "none": None}, "share": 1e-6}
    path = tmp_path / "config.yaml"
    path.write_text(to_yaml(values), encoding="utf-8")
    assert read_yaml(path) == values
    assert list(read_yaml(path)) == list(values)
    assert "zeta: [1, 2]\n" in path.read_text(encoding="utf-8")
    assert "Öl" in path.read_text(encoding="utf-8")
    path.write_text("# nothing\n")
    assert read_yaml(path) == {}


NOT_YAML = "{} is not valid YAML in line "


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "Cannot read {}: No such file or directory."),
        (b"- a\n", "{} must hold names and values, one 'name: value' a line."),
        (b"word", "{} must hold names and values, one 'name: value' a line."),
        (b"a: [1", NOT_YAML + "1: "),
        (b"b: 1\na: \xff\xff", "{} is not UTF-8 text in line 2; save it as UTF-8."),
        (b"a: 1\n\tb: 2", NOT_YAML + "2: a tab cannot indent; use spaces."),
        (b"a: \0", "{} is not valid YAML: it holds a character that is not text."),
        (b"a: !!python/object/apply:os.getcwd []", NOT_YAML + "1: 'tag:yaml.org,2002:python/"),
        (b"a: !!int abc", NOT_YAML + "1: 'tag:yaml.org,2002:int' is a tag; leave it out."),
        (b"a: &x [1]\nb: *x", NOT_YAML + "2: *x refers to another value; write the value itself."),
        (b"a: &x [*x]", NOT_YAML + "1: *x refers"),
        (b"a: 1\nb: 2\na: 3", NOT_YAML + "3: 'a' is there twice; leave one out."),
        (b"c:\n  a: 1\n  a: 1", NOT_YAML + "3: 'a' is there twice; leave one out."),
        (b"a: 1\n7: 2", NOT_YAML + "2: the name '7' is not text; put it in quotes."),
        (b"b: {null: 2}", NOT_YAML + "1: the name 'null' is not text; put it in quotes."),
        (b"? [a]\n: 2", NOT_YAML + "1: a list or section cannot be a name."),
        (b"a: " + b"[" * 30_000, NOT_YAML + "1: more than 20 lists and sections lie within"),
        (b"{a: " * 3000, NOT_YAML + "1: more than 20 lists and sections lie within"),
        (b"a: 1 #" + b" " * (1 << 20), "{} is larger than 1 MiB; is it the right file?"),
    ],
)
def test_yaml_that_cannot_be_used_gets_a_sentence(
    content: bytes | None, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "config.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError) as raised:
        read_yaml(path)
    is_a_sentence(raised.value, message.format(path))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1), ("-7", -7), ("+7", 7), ("0", 0), ("1_000", 1000), ("7" * 300, int("7" * 300)),
        ("1e-3", 1e-3), ("1E3", 1e3), ("-1.5e+2", -150.0), (".5", 0.5), ("2.", 2.0),
        ("1.0e-06", 1e-6),
        (".inf", math.inf), ("-.inf", -math.inf), ("1e999", math.inf),
        ("true", True), ("off", False), ("null", None), ("~", None), ("", None),
        # What PyYAML takes for 1, 8, 750, 31, a date, or fails on.
        ("01", "01"), ("010", "010"), ("12:30", "12:30"), ("0x1f", "0x1f"), ("0b1", "0b1"),
        ("2024-01-01", "2024-01-01"), ("2024-13-45", "2024-13-45"), ("=", "="),
        ("7" * 6000, "7" * 6000), ("1.2.3", "1.2.3"), ("1e", "1e"), ("'1'", "1"), ("é", "é"),
    ],
)  # fmt: skip
def test_what_a_plain_value_is(text: str, value: object, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(f"a: {text}\n", encoding="utf-8")
    found = read_yaml(path)["a"]
    assert found == value
    assert type(found) is type(value)


def test_nan_is_a_number_until_one_is_wanted(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("a: .nan\n")
    assert math.isnan(read_yaml(tmp_path / "c.yaml")["a"])


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_byte_order_mark_says_nothing(mark: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(mark + b"a: 1\r\n")
    assert read_yaml(path) == {"a": 1}
    path.write_bytes(mark + b'{"a": 1}')
    assert read_json(path) == {"a": 1}
    path.write_bytes(mark + b"a,b\r\n1,2\r\n")
    assert read_csv(path, ("a",)) == [{"a": "1", "b": "2"}]


def test_values_that_are_shared_are_written_out(tmp_path: Path) -> None:
    """Since what refers to another value is not read."""
    pair = [1, 2]
    (tmp_path / "c.yaml").write_text(to_yaml({"a": pair, "b": pair}))
    assert read_yaml(tmp_path / "c.yaml") == {"a": pair, "b": pair}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "Cannot read {}: No such file or directory."),
        (b"", "{} is not valid JSON in line 1; it is cut or damaged."),
        (b'{"a": 1,\n"b"', "{} is not valid JSON in line 2; it is cut or damaged."),
        (b"[1]", "{} must hold names and values, but is damaged."),
        (b'{"a": ' + b"[" * 100_000, "{} is not valid JSON"),
        (b'{"a": ' + b"7" * 6000 + b"}", "{} is not valid JSON"),
        (b'{"a": "\xff"}', "{} is not UTF-8 text in line 1; save it as UTF-8."),
    ],
)
def test_json_that_cannot_be_used_gets_a_sentence(
    content: bytes | None, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "metrics.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError) as raised:
        read_json(path)
    is_a_sentence(raised.value, message.format(path))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "Cannot read {}: No such file or directory."),
        (b"", "{} has no column 'path'; it must have path, score."),
        (b"path\na\n", "{} has no column 'score'; it must have path, score, not path."),
        (
            b"path;score\na;1\n",
            "{} has no column 'path'; it must have path, score, separated by commas, not by "
            "semicolons or tabs.",
        ),
        (b"path,score\na\n", "{} is damaged in line 2: it does not have the 2 columns of the"),
        (b"path,score\na,1\nb,1,2\n", "{} is damaged in line 3: it does not have the 2 columns"),
        (b'path,score\n"' + b"a" * 200_000, "{} is damaged in line 2"),
    ],
)
def test_tables_that_cannot_be_used_get_a_sentence(
    content: bytes | None, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "scores.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError) as raised:
        read_csv(path, ("path", "score"))
    is_a_sentence(raised.value, message.format(path))


def test_names_in_a_table_may_be_any_bytes(tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    path.write_bytes(b'path,score\n"a\xff,\nb",1\n\n')
    assert read_csv(path, ("path", "score")) == [{"path": "a\udcff,\nb", "score": "1"}]


@pytest.mark.parametrize(("text", "number"), [("1", 1.0), ("-1e-3", -1e-3), (" 2.5", 2.5)])
def test_numbers_of_a_table(text: str, number: float) -> None:
    assert parse_number(text, "score") == number


@pytest.mark.parametrize("text", ["", "x", "nan", "inf", "1,5", "1e999", "7" * 5000])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(InputError) as raised:
        parse_number(text, "score")
    is_a_sentence(raised.value, "score must be a finite number, got '")


def is_a_sentence(error: Exception, start: str) -> None:
    """A message is one line that can be read and begins as it should."""
    message = str(error)
    assert message.startswith(start)
    assert message.isprintable()
    assert message.endswith((".", "?"))
    assert len(message) < 500
