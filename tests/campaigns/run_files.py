"""Run folders whose files are damaged at random."""

from __future__ import annotations

import functools
import json
import os
import shutil
import struct
from pathlib import Path

import hypothesis.strategies as st
from damage import Damage, damages
from yaml_texts import damaged_texts

Draw = st.DrawFn
# Headers of weights.
_HEADERS = [
    "",
    "{",
    "[]",
    "null",
    "{}",
    "[" * 20_000,
    '{"a":' * 3000,
    '{"x": {}}',
    '{"x": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 0]}}',
]
_NOTES = [
    None,
    "",
    "x",
    "-1",
    "7" * 5000,
    "[]",
    "{}",
    "[" * 20_000,
    "null",
    "1.5",
    "NaN",
    "É",
    '{"epoch": -1}',
    '{"epoch": "x", "step": 1}',
]
_LARGE = 1 << 20  # bytes; such a file is linked, not copied


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


def damage(draw: Draw, original: Path, copied: Path) -> str:
    """Damage a copied file in a way that is drawn; in words, how."""
    kind, how = copied.suffix, draw(st.integers(0, 9))
    if how < 6 and kind != ".safetensors":
        known = _known(original)
        words, work = known[draw(st.integers(0, len(known) - 1))]
        work(copied)
        return words
    content = original.read_bytes()
    copied.unlink()
    if how == 9:
        copied.symlink_to(copied.parent / "nowhere")
        return "a broken link"
    if how == 8:
        new, words = _any_bytes(draw, content)
    elif kind == ".yaml":
        new = draw(damaged_texts(content))
        words = repr(new[:300])
    elif kind == ".safetensors":
        new, words = _tensors(draw, content)
    else:
        new, words = content[: draw(st.integers(0, len(content)))], "cut"
    copied.write_bytes(new)
    return words


@functools.cache
def _known(original: Path) -> list[Damage]:
    return list(damages(original))


def _any_bytes(draw: Draw, content: bytes) -> tuple[bytes, str]:
    """Other bytes anywhere, mostly near the beginning."""
    at = draw(st.one_of(st.integers(0, min(len(content), 2000)), st.integers(0, len(content))))
    new, left_out = draw(st.binary(max_size=8)), draw(st.integers(0, 9))
    return content[:at] + new + content[at + left_out :], f"{new!r} for {left_out} bytes at {at}"


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
        text = draw(st.sampled_from(_HEADERS))
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
        value = draw(st.sampled_from(_NOTES))
        if value is None:
            notes.pop(key, None)
        else:
            notes[key] = value
        name, how = key, f"notes {str(value)[:60]!r}"
    raw = json.dumps(header).encode()
    raw += b" " * (-len(raw) % 8)
    tail = b"x" if how == "trail" else b""
    return struct.pack("<Q", len(raw)) + raw + body + tail, f"{how} of {name}"
