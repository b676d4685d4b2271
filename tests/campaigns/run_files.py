"""Run folders, and how each of their files is damaged."""

from __future__ import annotations

import json
import os
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import hypothesis.strategies as st
from yaml_texts import damaged_texts

Draw = st.DrawFn
_LARGE = 1 << 20  # bytes; such a file is linked, not copied
_JSON = [
    "", "{", "[]", "null", "1", '"x"', "{}", "NaN", "[" * 20_000, '{"a":' * 3000, "7" * 6000,
    "\ufeff{}", "\0", '{"times": 3}', '{"times": {"training_seconds": "x"}}', '{"times": null}',
    '{"times": {"training_seconds": 1e999}}',
]  # fmt: skip
_WORDS = ["", "x", "nan", "inf", "-1", "1e999", "7" * 5000, '"', "a,b,c", "\0", "é", "\ud800", "0"]


def copy(run: Path, target: Path) -> Path:
    """A run folder that shares its large files with ``run``; whoever changes one replaces it."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    for path in run.iterdir():
        if path.stat().st_size > _LARGE:
            os.link(path, target / path.name)
        else:
            shutil.copyfile(path, target / path.name)
    return target


def damage(draw: Draw, path: Path) -> str:
    """Damage a file in a way that is drawn; in words, how."""
    how = draw(st.integers(0, 11))
    if how == 0:
        path.unlink()
        return "gone"
    content = path.read_bytes()
    path.unlink()
    if how == 1:
        path.mkdir()
        return "a folder"
    if how == 2:
        path.symlink_to(path.parent / "nowhere")
        return "a broken link"
    if how == 3:
        size = draw(st.sampled_from([0, 1, 7, 8, 9, 100, len(content) // 2, len(content) - 1]))
        path.write_bytes(content[:size])
        return f"cut at {size}"
    kind = path.suffix.removeprefix(".")
    new, said = _DAMAGES.get(kind, _any_bytes)(draw, content)
    path.write_bytes(new)
    return said


def _any_bytes(draw: Draw, content: bytes) -> tuple[bytes, str]:
    at = draw(st.integers(0, len(content)))
    new = draw(st.binary(max_size=8))
    return content[:at] + new + content[at + draw(st.integers(0, 9)) :], f"{new!r} at {at}"


def _yaml(draw: Draw, content: bytes) -> tuple[bytes, str]:
    new = draw(damaged_texts(content))
    return new, repr(new[:300])


def _json(draw: Draw, content: bytes) -> tuple[bytes, str]:
    if draw(st.booleans()):
        text = draw(st.sampled_from(_JSON))
        return text.encode(errors="surrogatepass"), repr(text[:100])
    values = json.loads(content)
    spot, name = values, draw(st.sampled_from(sorted(values)))
    while isinstance(spot[name], dict) and spot[name] and draw(st.booleans()):
        spot = spot[name]
        name = draw(st.sampled_from(sorted(spot)))
    spot[name] = draw(
        st.sampled_from([None, "x", [], {}, -1, 10**400, float("nan"), float("inf"), [[]], True])
    )
    return json.dumps(values).encode(), f"{name}: {str(spot[name])[:50]}"


def _csv(draw: Draw, content: bytes) -> tuple[bytes, str]:
    if draw(st.booleans()):
        return _any_bytes(draw, content)
    lines = content.decode().splitlines()
    number = draw(st.integers(0, len(lines) - 1))
    cells = lines[number].split(",")
    cells[draw(st.integers(0, len(cells) - 1))] = draw(st.sampled_from(_WORDS))
    lines[number] = ",".join(cells)
    return "\n".join(lines).encode(errors="surrogatepass"), repr(lines[number][:100])


def _tensors(draw: Draw, content: bytes) -> tuple[bytes, str]:
    """A file of weights with another header, or with numbers that are none."""
    (length,) = struct.unpack("<Q", content[:8])
    header, body = json.loads(content[8 : 8 + length]), content[8 + length :]
    names = sorted(name for name in header if name != "__metadata__")
    name = draw(st.sampled_from(names))
    how = draw(
        st.sampled_from(
            [
                "value",
                "value",
                "header",
                "length",
                "gone",
                "name",
                "dtype",
                "shape",
                "notes",
                "trail",
            ]
        )
    )
    if how == "value":  # the last number of a tensor
        first, last = header[name]["data_offsets"]
        if header[name]["dtype"] != "F32" or first == last:
            return content[:-4], "four bytes short"
        bad = draw(st.sampled_from([float("nan"), float("inf"), -float("inf")]))
        end = 8 + length + last
        return content[: end - 4] + struct.pack("<f", bad) + content[end:], f"{name} ends in {bad}"
    if how == "length":
        new = draw(st.sampled_from([0, 1, length - 1, length + 1, 2**32, 2**63, 2**64 - 1]))
        return struct.pack("<Q", new) + content[8:], f"header of {new}"
    if how == "header":
        text = draw(
            st.sampled_from(
                [
                    *_JSON,
                    '{"x": {}}',
                    '{"x": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 0]}}',
                ]
            )
        )
        raw = text.encode()
        return struct.pack("<Q", len(raw)) + raw + body, f"header {text[:60]!r}"
    if how == "gone":
        del header[name]
    elif how == "name":
        header[draw(st.sampled_from(["", "x", "x" * 5000, "\n", name + "/x", "model/"]))] = (
            header.pop(name)
        )
    elif how == "dtype":
        header[name]["dtype"] = draw(
            st.sampled_from(["F64", "F16", "I32", "U8", "BOOL", "F8_E4M3", "?"])
        )
    elif how == "shape":
        shape = header[name]["shape"]
        ways = [shape[::-1], [*shape, 1], shape[1:], [2**40], [2**63, 2], [0], [-1], ["x"], None]
        header[name]["shape"] = ways[draw(st.integers(0, len(ways) - 1))]
    elif how == "notes":
        notes = header.setdefault("__metadata__", {})
        key = draw(st.sampled_from([*sorted(notes), "x"]))
        value = draw(st.sampled_from([
            None, "", "x", "-1", "7" * 5000, "[]", "{}", "[" * 20_000, "null", "1.5", "NaN", "É",
            '{"epoch": -1}', '{"epoch": "x", "step": 1}',
            '{"epoch": 99999999, "step": 0, "losses": [NaN]}',
        ]))  # fmt: skip
        if value is None:
            notes.pop(key, None)
        else:
            notes[key] = value
        name, how = key, f"notes {str(value)[:60]!r}"
    raw = json.dumps(header).encode()
    raw += b" " * (-len(raw) % 8)
    return struct.pack("<Q", len(raw)) + raw + body + (
        b"x" if how == "trail" else b""
    ), f"{how} of {name}"


_DAMAGES: dict[str, Callable[[Draw, bytes], tuple[bytes, str]]] = {
    "yaml": _yaml, "json": _json, "csv": _csv, "safetensors": _tensors,
}  # fmt: skip
