"""CUDA source text as C++ that the shim runs; what it does not know, it refuses."""

from __future__ import annotations

import re
from collections.abc import Iterator

_SHARED = (
    r"__shared__\s+(?:__align__\((?P<align>\d+)\)\s+)?"
    r"(?P<type>(?:unsigned\s+)?[\w:]+(?:<[^;{}]*>)?)\s+(?P<name>\w+)"
)
_ARRAY = re.compile(rf"\bextern\s+{_SHARED}\[\];")
_VARIABLE = re.compile(rf"{_SHARED}(?P<sizes>(?:\[[^\]]+\])*);")
_LAUNCH = re.compile(r"\b(?P<kernel>[A-Za-z_]\w*(?:<[^<>;{}]*>)?)\s*<<<")
_BOUNDS = re.compile(
    r"__global__\s+void\s+(?:__launch_bounds__\((?P<most>[^,()]+)(?:,[^()]*)?\)\s*)?\w+\("
)


class UnknownFormError(ValueError):
    """The source holds a construct that the translation was not written for."""


def translate(source: str, name: str) -> str:
    """Host C++ with the lines where they were.

    Args:
        source: of a ``.cu`` file.
        name: of the file, for the compiler's messages.
    """
    tags: list[str] = []

    def variable(found: re.Match[str]) -> str:
        tags.append(f"shim_tag_{len(tags)}")
        kind = found["type"] + found["sizes"]
        align = f", {found['align']}" if found["align"] else ""
        declared = f"auto& {found['name']} = "
        call = f"::shim::shared_variable<struct {tags[-1]}, {kind}{align}>();"
        return declared + call + _lines(found[0])

    def array(found: re.Match[str]) -> str:
        align = f", {found['align']}" if found["align"] else ""
        return (
            f"{found['type']}* const {found['name']} = "
            f"::shim::dynamic_shared_array<{found['type']}{align}>();{_lines(found[0])}"
        )

    text = "".join(_bounded(source, name))
    text = _ARRAY.sub(array, text)
    text = _VARIABLE.sub(variable, text)
    launches = text.count("<<<")
    text, known = _LAUNCH.subn(
        lambda found: f'::shim::Kernel("{found["kernel"]}", {found["kernel"]}, ' + _lines(found[0]),
        text,
    )
    ends = text.count(">>>(")
    text = text.replace(">>>(", ")(")
    if not launches == known == ends or "<<<" in text or ">>>" in text:
        raise UnknownFormError(f"{name}: a launch is written in a form that the shim does not know")
    for line, words in enumerate(text.splitlines(), 1):
        if "__shared__" in words:
            raise UnknownFormError(f"{name}:{line}: unknown form of __shared__: {words.strip()}")
    return f'#line 1 "{name}"\n{text}'


def _bounded(source: str, name: str) -> Iterator[str]:
    """The source with a check of ``__launch_bounds__`` first in every kernel's body."""
    end = 0
    for found in _BOUNDS.finditer(source):
        body = _body(source, found.end(), name)
        yield source[end:body]
        if found["most"]:
            yield f" ::shim::check_bounds({found['most']});"
        end = body
    if source.count("__global__") != len(_BOUNDS.findall(source)):
        raise UnknownFormError(f"{name}: unknown form of __global__")
    yield source[end:]


def _body(source: str, start: int, name: str) -> int:
    """Where a function's body begins, after its brace; ``start`` lies after its parenthesis."""
    depth = 1
    while depth:
        depth += {"(": 1, ")": -1}.get(source[start], 0)
        start += 1
    brace = re.compile(r"\s*\{").match(source, start)
    if brace is None:
        raise UnknownFormError(f"{name}: a kernel is declared without a body")
    return brace.end()


def _lines(text: str) -> str:
    return "\n" * text.count("\n")
