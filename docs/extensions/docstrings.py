"""Docstrings as they are written here, for Napoleon."""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx

_NOTHING = ".."  # an empty comment: a first line in which there is no colon


def _keep_colons(
    app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]
) -> None:
    """Let sentences have a colon where Napoleon takes one to end a type.

    That is the first line of what a property or a function returns.
    """
    del app, name, obj, options
    if what in ("property", "attribute", "data"):
        lines[:0] = [_NOTHING, ""]
    for number in reversed(range(len(lines))):
        if lines[number].strip() == "Returns:":
            indent = " " * (lines[number].index("R") + 4)
            lines[number + 1 : number + 1] = [indent + _NOTHING, ""]


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("autodoc-process-docstring", _keep_colons, priority=400)  # Napoleon has 500
    return {"parallel_read_safe": True}
