"""Let types in signatures link to the public names of what they are."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

import nsa


def _public() -> dict[str, str]:
    """Public names by those of where their objects are defined, with and without the module."""
    found = {}
    for prefix, module in (
        ("nsa.gaussian", nsa.gaussian), ("nsa.metrics", nsa.metrics), ("nsa.plan", nsa.plan),
        ("nsa", nsa),
    ):  # fmt: skip
        for name in module.__all__:
            one = getattr(module, name)
            home = getattr(one, "__module__", None)
            if callable(one) and home is not None:
                found[f"{home}.{name}"] = found[name] = f"{prefix}.{name}"
    return found


def _resolve(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, contents: nodes.TextElement
) -> nodes.Element | None:
    if node.get("refdomain") != "py":
        return None
    own, _, rest = node["reftarget"].partition(".")
    names = app.nsa_public_names  # type: ignore[attr-defined]
    public = names.get(node["reftarget"])
    if public is None and rest and own in names:  # such as Detector.ignore
        public = f"{names[own]}.{rest}"
    if public is None or public == node["reftarget"]:
        return None
    return env.domains["py"].resolve_any_xref(
        env, node["refdoc"], app.builder, public, node, contents
    )[0][1]


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.nsa_public_names = _public()  # type: ignore[attr-defined]
    app.connect("missing-reference", _resolve)
    return {"parallel_read_safe": True}
