"""Ways to damage the files of a run folder, each of which a command answers by one sentence.

Some damage cannot be noticed, such as another valid number: then the command does its work.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

Damage = tuple[str, Callable[[Path], None]]
"""What is done, in words, and what does it to a file."""

HUGE, LONG = 10**400, "7" * 6000
VALUES: list[Any] = [
    None, True, 0, -1, 2.5, float("nan"), float("inf"), HUGE, "", "x", "1", [], [1], ["x"], [[]],
    {}, {"a": 1}, {"a": {"b": [1]}},
]  # fmt: skip
RAW = [LONG, "01", "1e-3", "[" * 3000, "{a: 1, a: 2}", "{1: 2}", "&x [*x]", "!!int x", "2024-01-01"]


def damages(path: Path) -> Iterator[Damage]:
    """Every way to damage a file: its bytes, and what it says by the kind of file that it is."""
    yield from _bytes(path)
    if path.suffix in (".yaml", ".json"):
        yield from _values(path)
    elif path.suffix == ".csv":
        yield from _cells(path)
    elif path.suffix == ".safetensors":
        yield from _tensors(path)


def _bytes(path: Path) -> Iterator[Damage]:
    content = path.read_bytes()
    size = len(content)
    middle = size // 2
    forms = {
        "empty": b"",
        "cut at the end": content[:-1],
        "cut in the middle": content[:middle],
        "zeros": bytes(min(size, 4096)),
        "one more byte": content + b"\xff",
        "text": b"damaged\n",
        "a byte order mark": b"\xef\xbb\xbf" + content,
        "bits of the first bytes": bytes(byte ^ 0x10 for byte in content[:16]) + content[16:],
        "bits in the middle": content[:middle] + bytes(b ^ 0x80 for b in content[middle:][:3])
        + content[middle + 3 :],
    }  # fmt: skip
    for name, form in forms.items():
        yield name, lambda file, form=form: _write(file, form)
    yield "missing", lambda file: file.unlink()
    yield "a folder", lambda file: (file.unlink(), file.mkdir())[1]


def _values(path: Path) -> Iterator[Damage]:
    """Every value, however deep, as another; every key left out; keys that are not text."""
    is_json = path.suffix == ".json"
    text = path.read_text()
    whole = json.loads(text) if is_json else yaml.safe_load(text)

    def write(values: Any, old: str = "", new: str = "") -> Callable[[Path], None]:
        dumped = json.dumps(values) if is_json else yaml.safe_dump(values, sort_keys=False)
        return lambda file: _write(file, dumped.replace(old, new, 1).encode())

    for place in _places(whole):
        name = ".".join(map(str, place))
        for value in VALUES:
            yield f"{name}: {str(value)[:20]}", write(_changed(whole, place, value))
        for raw in RAW:
            yield (
                f"{name}: {raw[:20]}",
                write(_changed(whole, place, "RAW"), '"RAW"' if is_json else "RAW", raw),
            )
        yield f"without {name}", write(_changed(whole, place, ...))
    yield "another key", write({**whole, "other": 1})
    yield "no mapping", write([1, 2])


def _places(values: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where the values of nested dictionaries are; of lists the first alone."""
    pairs = values.items() if isinstance(values, dict) else enumerate(values[:1])
    for key, value in pairs:
        yield (*above, key)
        if isinstance(value, dict | list):
            yield from _places(value, (*above, key))


def _changed(whole: Any, place: tuple[Any, ...], value: Any) -> Any:
    values = inner = copy.deepcopy(whole)
    for key in place[:-1]:
        inner = inner[key]
    if value is ...:
        del inner[place[-1]]
    else:
        inner[place[-1]] = value
    return values


def _cells(path: Path) -> Iterator[Damage]:
    lines = path.read_text().splitlines()

    def write(*changed: str) -> Callable[[Path], None]:
        return lambda file: _write(file, ("\n".join(changed) + "\n").encode())

    yield "no heading", write(*lines[1:])
    yield "nothing but the heading", write(lines[0])
    yield "a cell more", write(*lines[:-1], lines[-1] + ",1")
    yield "a cell less", write(*lines[:-1], lines[-1].rpartition(",")[0])
    for number in range(lines[-1].count(",") + 1):
        for value in ("", "x", "nan", "-inf", "1e999", LONG, '"', "\0", "\ud800"):
            cells = lines[-1].split(",")
            cells[number] = value.encode(errors="replace").decode()
            yield f"cell {number}: {value[:9]!r}", write(*lines[:-1], ",".join(cells))


def _tensors(path: Path) -> Iterator[Damage]:
    """Tensors of each group with other values, dtypes and shapes, and other metadata."""
    with safe_open(path, "pt") as file:
        tensors: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        metadata: dict[str, str] = file.metadata() or {}

    def write(changes: dict[str, Tensor | None], more: Any = None) -> Callable[[Path], None]:
        kept = {name: value for name, value in {**tensors, **changes}.items() if value is not None}
        said = metadata if more is None else more
        return lambda file: save_file(kept, file, said or None)

    groups = {(_group(name), value.ndim, value.dtype): name for name, value in tensors.items()}
    for name in groups.values():
        value = tensors[name]
        forms: dict[str, Tensor | None] = {
            "missing": None,
            "of another shape": torch.zeros((*value.shape, 2), dtype=value.dtype),
            "flat": torch.zeros(0, dtype=value.dtype),
            "complex": value.to(torch.complex64),
            "whole numbers": value.to(torch.int32),
            "doubles": value.to(torch.float64),
            "negative": -value.abs() - 1,
        }
        for number in (float("nan"), float("inf"), 3e38):
            if value.is_floating_point():
                forms[f"with {number}"] = value.flatten().index_fill(
                    0, torch.tensor([0]), number
                ).view(value.shape)  # fmt: skip
        for words, form in forms.items():
            yield f"{name} {words}", write({name: form})
    yield "another tensor", write({"other": torch.zeros(1)})
    yield "no tensors", lambda file: save_file({}, file, metadata or None)
    for key, text in metadata.items():
        yield f"without {key}", write({}, {k: v for k, v in metadata.items() if k != key})
        for raw in ("", "x", "-1", "[]", "{}", "7" * 6000, "[" * 100_000, "NaN"):
            yield f"{key}: {raw[:9]}", write({}, {**metadata, key: raw})
        if text.startswith("{"):
            for place in _places(json.loads(text)):
                for value in VALUES:
                    changed = json.dumps(_changed(json.loads(text), place, value))
                    yield (
                        f"{key}: {place}: {str(value)[:20]}",
                        write({}, {**metadata, key: changed}),
                    )


def _group(name: str) -> str:
    """Tensors of one kind have one: the first and the last of the words of a name."""
    parts = name.replace("/", ".").split(".")
    return f"{parts[0]}/{parts[-1]}"


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)
