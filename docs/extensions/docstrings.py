"""Docstrings and signatures as they are written here, for Napoleon and Sphinx."""

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


def _show_factories(
    app: Sphinx, what: str, name: str, obj: object, options: object,
    signature: str | None, returned: str | None,
) -> tuple[str, str | None] | None:  # fmt: skip
    """Show what the factory of a dataclass makes; Sphinx cannot read ``<factory>``."""
    del app, what, name, obj, options
    if signature is None or "<factory>" not in signature:
        return None
    return signature.replace("<factory>", "{}"), returned  # no field is made by another one


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("autodoc-process-docstring", _keep_colons, priority=400)  # Napoleon has 500
    app.connect("autodoc-process-signature", _show_factories)
    return {"parallel_read_safe": True}
