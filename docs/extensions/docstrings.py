"""Docstrings as they are written here, for Napoleon."""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx


def _keep_colons(
    app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]
) -> None:
    """Let a property's first line be a sentence, in which Napoleon takes a colon to end a type."""
    del app, name, obj, options
    if what in ("property", "attribute", "data"):
        lines[:0] = ["..", ""]  # an empty comment


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("autodoc-process-docstring", _keep_colons, priority=400)  # Napoleon has 500
    return {"parallel_read_safe": True}
