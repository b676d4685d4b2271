"""The command line ``nsa``: all its commands, and how each of them ends."""

from __future__ import annotations

import functools
import inspect
import os
import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperOption

import nsa
from nsa.cli.calibrate import calibrate_command
from nsa.cli.combine import combine_command
from nsa.cli.evaluate import evaluate_command
from nsa.cli.export import export_command
from nsa.cli.info import info_command
from nsa.cli.places import with_urls
from nsa.cli.predict import predict_command
from nsa.cli.reproduce import reproduce_command
from nsa.cli.serve import serve_command
from nsa.cli.synthesize import synthesize_command
from nsa.cli.train import train_command
from nsa.cli.watch import watch_command
from nsa.errors import InputError
from nsa.system.console import (
    console,
    log_to_console,
    print_any_character,
    standard_output,
)
from nsa.system.interrupt import Interrupted, ended_as_by_ctrl_c
from nsa.system.streams import open_closed, outlast_readers

app = typer.Typer(
    help="Train a visual anomaly detector from normal images only, and use it.",
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
)  # fmt: skip


def _print_version(asked: bool) -> None:
    if asked:
        standard_output.print(f"nsa {nsa.__version__}")
        raise typer.Exit


_Version = Annotated[
    bool,
    typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version."),
]


@app.callback()
def _all_commands(context: typer.Context, version: _Version = False) -> None:
    del version  # its callback has ended the program
    if context.invoked_subcommand == "serve" and "torch" not in sys.modules:
        # Read when torch is loaded. Threads that spin while they wait for each other take the cores
        # from those that decode and from everybody else, and judging slows down severalfold.
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def _friendly(command: Callable[..., None]) -> Callable[..., None]:
    """One sentence and an exit status instead of a traceback."""

    @functools.wraps(command)
    def wrapper(*args: Any, **keywords: Any) -> None:
        log_to_console()
        try:
            with ended_as_by_ctrl_c():
                from nsa.system.device import keep_freed_memory

                keep_freed_memory()
                command(*args, **keywords)
        except InputError as error:
            raise _refused(error) from None
        except Interrupted as stop:
            console.print(str(stop), style="yellow", markup=False, soft_wrap=True)
            raise typer.Exit(130) from None
        except KeyboardInterrupt as stop:
            said = str(stop) or "Interrupted."
            console.print(said, style="yellow", markup=False, soft_wrap=True)
            raise typer.Exit(130) from None

    return wrapper


def _refused(error: InputError) -> typer.Exit:
    console.print(f"Error: {error}", style="bold red", markup=False, soft_wrap=True)
    return typer.Exit(2)


class _Command(TyperCommand):
    """Takes URLs for paths, and refuses two values for an option that takes one."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        given, _, order = self.make_parser(ctx).parse_args(args=list(args))
        once = [one for one in order if isinstance(one, TyperOption) and not one.multiple]
        for one in once:
            if not one.is_flag and once.count(one) > 1:
                raise typer.BadParameter("given twice, but it takes one value.", ctx, one)
        rest = super().parse_args(ctx, args)
        for param in order:
            name = param.name or ""
            called = max(param.opts, key=len) if isinstance(param, TyperOption) else name.upper()
            try:
                value = with_urls(self.name or "", name, called, given[name], ctx.params[name])
            except InputError as error:
                raise _refused(error) from None
            ctx.params[name] = value
        return rest


def _help(command: Callable[..., None]) -> str:
    """A command's docstring with a paragraph a line, which fills the terminal's own width."""
    paragraphs = inspect.cleandoc(command.__doc__ or "").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


for _command in (
    train_command, evaluate_command, calibrate_command, predict_command, combine_command,
    watch_command, export_command, serve_command, synthesize_command, reproduce_command,
    info_command,
):  # fmt: skip
    _name = _command.__name__.removesuffix("_command")
    app.command(_name, cls=_Command, help=_help(_command))(_friendly(_command))


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the ``nsa`` command and of ``python -m nsa.<command>``."""
    open_closed()
    print_any_character()
    output = outlast_readers()
    try:
        app(args=list(sys.argv[1:] if arguments is None else arguments), prog_name="nsa")
    except SystemExit:
        sys.stdout.flush()
        if output is not None and output.lost is not None:
            reason = output.lost.strerror
            console.print(f"Error: Cannot write to standard output: {reason}.", style="bold red")
            raise SystemExit(2) from None
        raise
