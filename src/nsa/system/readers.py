"""Files read back, each kind by one function: plain values, or one sentence that names the file.

Nothing else parses a file. What the values must be is checked by :mod:`nsa.settings.fields`.
"""

from __future__ import annotations

import csv
import functools
import io
import json
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from nsa.errors import InputError, shown

_MOST_YAML, _MOST = 1 << 20, 1 << 28  # bytes; what is larger is another file, given by mistake
_DEEPEST = 20  # lists and sections within one another in a YAML file
_TAG = "tag:yaml.org,2002:"

_LONGEST = 100  # characters of a heading that a message repeats


def read_text(path: Path, most: int = _MOST, *, errors: str = "strict") -> str:
    """A text file in UTF-8, with or without a byte order mark; line ends are left as they are.

    Args:
        most: bytes that the file may have.
        errors: what becomes of bytes that are not UTF-8, as :meth:`bytes.decode` names it.

    Raises:
        InputError: it is missing, larger, or not UTF-8.
    """
    try:
        with path.open("rb") as file:
            content = file.read(most + 1)
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror or error}.") from error
    except ValueError as error:  # a zero in the name
        raise InputError(f"Cannot read {str(path)!r}: there is no such file.") from error
    if len(content) > most:
        raise InputError(f"{path} is larger than {most >> 20} MiB; is it the right file?")
    try:
        return content.decode("utf-8-sig", errors)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise InputError(f"{path} is not UTF-8 text in line {line}; save it as UTF-8.") from error


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML file of names and values.

    Of YAML it takes what settings need: text, numbers (``1e-3`` too), true and false, null, lists
    and sections. Names are text and given once. What only looks like a number, as ``01``, a date or
    ``12:30`` do, is text.

    Returns:
        Text, int, float, bool and None by name, in lists and further dictionaries; empty for an
        empty file. All of it is no larger than the file.

    Raises:
        InputError: it is missing or anything else.
    """
    text = read_text(path, _MOST_YAML)
    import yaml  # not before: --help does without

    try:
        values = yaml.load(text, _yaml_loader())
    except yaml.YAMLError as error:
        mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
        where = "" if mark is None else f" in line {mark.line + 1}"
        if problem is None:  # what the reader says, which knows no lines
            problem = "it holds a character that is not text"
        elif r"'\t'" in problem:
            problem = "a tab cannot indent; use spaces"
        problem = problem.rstrip(".")
        raise InputError(f"{path} is not valid YAML{where}: {problem}.") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise InputError(f"{path} must hold names and values, one 'name: value' a line.")
    return values


def read_json(path: Path) -> dict[str, Any]:
    """A JSON file of names and values.

    Raises:
        InputError: it is missing or anything else.
    """
    return parse_json(read_text(path), str(path))


def parse_json(text: str, source: str) -> dict[str, Any]:
    """:func:`read_json` for what was read already.

    Args:
        source: where from, for the message.
    """
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", None)
        where = "" if line is None else f" in line {line}"
        raise InputError(f"{source} is not valid JSON{where}; it is cut or damaged.") from error
    if not isinstance(values, dict):
        raise InputError(f"{source} must hold names and values, but is damaged.")
    return values


def read_csv(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """The lines of a table with a heading; every one has all its columns.

    Args:
        columns: that it must have, among others.

    Returns:
        Text by column. Bytes that are not UTF-8, as names of files may have, become surrogates.

    Raises:
        InputError: it is missing, lacks a column, or a line has too few values or too many.
    """
    reader = csv.reader(io.StringIO(read_text(path, errors="surrogateescape"), newline=""))
    heading: list[str] = []
    lines = []
    try:
        heading = next(reader, [])
        for line in reader:
            if line and len(line) != len(heading):
                raise csv.Error
            if line:
                lines.append(dict(zip(heading, line, strict=True)))
    except csv.Error as error:
        raise InputError(
            f"{path} is damaged in line {reader.line_num}: it does not have the "
            f"{len(heading)} columns of the heading."
        ) from error
    lacking = [name for name in columns if name not in heading]
    if lacking:
        told = f"{path} has no column {lacking[0]!r}; it must have {', '.join(columns)}"
        if len(heading) == 1 and any(sign in heading[0] for sign in ";\t"):
            told += ", separated by commas, not by semicolons or tabs"
        elif 0 < len(names := ", ".join(heading)) < _LONGEST and names.isprintable():
            told += f", not {names}"
        raise InputError(f"{told}.")
    return lines


def whole_lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The lines of a table of any size up to the first that is cut: what ends it is missing.

    Returns:
        Where each line ends, in bytes from the beginning of the file, and its cells. Bytes that are
        not UTF-8 become surrogates.

    Raises:
        OSError: it cannot be read.
    """
    end, quotes, parts = 0, 0, list[bytes]()
    with path.open("rb") as file:
        for part in file:
            parts.append(part)
            quotes += part.count(b'"')
            if quotes % 2 == 0 and part.endswith(b"\n"):  # else it ends within a cell
                text = b"".join(parts).decode(errors="surrogateescape")
                end, quotes, parts = end + sum(map(len, parts)), 0, []
                yield end, next(csv.reader(io.StringIO(text, newline="")), [])


def parse_number(text: str, name: str) -> float:
    """A finite number that a table says.

    Args:
        name: of its column.

    Raises:
        InputError: it is none.
    """
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise InputError(f"{name} must be a finite number, got {shown(text)}.")
    return number


def read_parquet(content: Path | bytes, name: str, columns: Sequence[str], remedy: str) -> Any:
    """Columns of a Parquet file.

    Args:
        content: the file, or all its bytes.
        name: what messages call it.
        columns: by name, which it must have.
        remedy: what to do about a damaged file, without a full stop.

    Returns:
        A ``pyarrow.Table`` of these columns, with the metadata of the file's schema.

    Raises:
        InputError: it is missing, damaged, or lacks a column.
    """
    import pyarrow as pa  # an optional dependency
    import pyarrow.parquet as pq

    try:
        # Opened here, for Arrow takes no path that is not UTF-8.
        with (
            io.BytesIO(content) if isinstance(content, bytes) else content.open("rb") as stream,
            pq.ParquetFile(stream, page_checksum_verification=True) as file,
        ):
            lacking = [one for one in columns if one not in file.schema_arrow.names]
            if lacking:
                raise InputError(f"{name} has no column {lacking[0]!r}; {remedy}.")
            return file.read(columns=list(columns))
    except FileNotFoundError as error:
        raise InputError(f"Cannot read {name}: {error.strerror}.") from error
    except (OSError, pa.ArrowException) as error:  # what Arrow says runs over several lines
        raise InputError(f"{name} is damaged; {remedy}.") from error


@functools.cache
def _yaml_loader() -> Any:
    """A loader of the part of YAML that :func:`read_yaml` describes."""
    import yaml

    class Loader(yaml.SafeLoader):
        depth = 0

        def compose_node(self, parent: Any, index: Any) -> Any:
            event, problem = self.peek_event(), None  # type: ignore[no-untyped-call]
            if isinstance(event, yaml.AliasEvent):
                problem = f"*{event.anchor} refers to another value; write the value itself"
            elif event.tag is not None:
                problem = f"{shown(event.tag)} is a tag; leave it out"
            elif self.depth == _DEEPEST:
                problem = f"more than {_DEEPEST} lists and sections lie within one another"
            if problem is not None:
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)
            self.depth += 1
            node = super().compose_node(parent, index)
            self.depth -= 1
            return node

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            names = set()
            for key, _ in node.value:
                problem = None
                if key.tag != f"{_TAG}str":
                    plain = isinstance(key.value, str)
                    problem = f"the name {shown(key.value)} is not text; put it in quotes"
                    problem = problem if plain else "a list or section cannot be a name"
                elif key.value in names:
                    problem = f"{shown(key.value)} is there twice; leave one out"
                if problem is not None:
                    raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
                names.add(key.value)
            return super().construct_mapping(node, deep)

    # YAML 1.1 reads 010 as 8, 12:30 as 750 and 1e-3 as text.
    whole, digits = r"(?:0|[1-9][0-9_]{0,300})", "[0-9][0-9_]{0,300}"
    exponent = r"(?:[eE][-+]?[0-9]{1,9})"
    patterns = {
        "int": rf"[-+]?{whole}",
        "float": rf"[-+]?(?:{whole}?\.{digits}{exponent}?|{whole}\.{exponent}?|{whole}{exponent}"
        r"|\.(?:inf|Inf|INF))|\.(?:nan|NaN|NAN)",
    }
    kept = {f"{_TAG}{name}" for name in ("bool", "null")}
    Loader.yaml_implicit_resolvers = {
        first: [one for one in found if one[0] in kept]
        for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    for name, pattern in patterns.items():
        Loader.add_implicit_resolver(
            f"{_TAG}{name}", re.compile(f"(?:{pattern})$"), list("-+.0123456789")
        )
    return Loader
