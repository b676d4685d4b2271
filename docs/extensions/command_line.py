"""The directive ``nsa-commands``: every command with its options, from the command line itself."""

from __future__ import annotations

import re
from typing import Any

import typer
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from nsa.cli.app import app as command_line

_SPECIAL = re.compile(r"([*`|_<>])")
_OPTION = re.compile(r"(?<![\w`])(--[a-z][a-z0-9-]*)")


def _text(help_text: str) -> str:
    """A help text as reStructuredText: options as such, brackets as they are read."""
    plain = " ".join(help_text.replace("\\[", "[").split())
    return _OPTION.sub(r"``\1``", _SPECIAL.sub(r"\\\1", plain))


def _names(option: str) -> str:
    return option.replace(" <list[Path]>", " <path>").replace(" <list[str]>", " <str>")


def _of_command(name: str, command: Any) -> list[str]:
    """A section about one command, line by line."""
    context = typer.Context(command, info_name=f"nsa {name}")
    parameters = [one for one in command.get_params(context) if one.name != "help"]
    arguments = [one for one in parameters if one.param_type_name == "argument"]
    options = [one for one in parameters if one.param_type_name == "option"]
    usage = [f"{one.name.upper()}{'...' if one.nargs == -1 else ''}" for one in arguments]
    title = f"nsa {name}"
    lines = [title, "-" * len(title), "", f".. program:: {title}", ""]
    lines += [".. code-block:: text", "", f"   {' '.join([title, '[OPTIONS]', *usage])}", ""]
    for paragraph in command.help.split("\n\n"):
        lines += [_text(paragraph), ""]
    for one in arguments:
        lines += [f"``{one.name.upper()}``", f"   {_text(one.help)}", ""]
    panels = dict.fromkeys(one.rich_help_panel for one in options)
    for panel in panels:
        if panel is not None:
            lines += [f".. rubric:: {_text(panel)}", ""]
        for one in options:
            if one.rich_help_panel == panel:
                names, help_text = one.get_help_record(context)
                lines += [f".. option:: {_names(names)}", "", f"   {_text(help_text)}", ""]
    return lines


class Commands(SphinxDirective):
    """A section for each command."""

    def run(self) -> list[nodes.Node]:
        """Sections, from what the command line says of itself."""
        group: Any = typer.main.get_command(command_line)
        lines = [
            line for name, command in group.commands.items() for line in _of_command(name, command)
        ]
        return self.parse_text_to_nodes("\n".join(lines), allow_section_headings=True)


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.add_directive("nsa-commands", Commands)
    return {"parallel_read_safe": True}
