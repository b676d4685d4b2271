"""Options of the command line: made from the fields of requests, or shared by several commands."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from nsa.settings.options import Option, Request

RunFolder = Annotated[Path, typer.Argument(help="A run folder written by nsa train.")]
Device = Annotated[str | None, typer.Option(help="auto, cpu or cuda. \\[default: auto]")]
Engine = Annotated[
    str,
    typer.Option(
        help="What runs the network: torch, or onnxruntime, which is faster on a CPU (pip install "
        "'nsa\\[export]'); what that takes is kept in the run folder."
    ),
]
Fpr = Annotated[
    float | None,
    typer.Option(
        help="False positive rate at which images are called anomalous, such as 0.01. \\[default: "
        "the training's, else the smallest that the run's held-out images can set]"
    ),
]
MaskFpr = Annotated[
    float | None,
    typer.Option(
        help="Mark pixels so that at most this share of normal images has any marked, such as 0.05."
    ),
]
MaskShare = Annotated[
    float | None,
    typer.Option(
        help="Mark pixels so that at most this share of a normal image is marked, on average."
    ),
]
Review = Annotated[
    bool,
    typer.Option(
        "--review/--no-review",
        help="Write review.html, a page to look through the images, try thresholds and judge them.",
    ),
]
Ignore = Annotated[
    Path | None,
    typer.Option(
        help="Mask of pixels that do not count, beside those that the run ignores: one that is "
        "white there, of all images, or a folder with a mask an image, named by the image's stem."
    ),
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace what an earlier call wrote to --output.")
]

Options = Mapping[str, tuple[type[Request], Option]]  # by name, with a request that has them


def options_of(request: type[Request], *names: str) -> Options:
    """The options of a request, or some of them in the order given."""
    found = request.options()
    return {name: (request, found[name]) for name in names or found}


def with_options(*groups: Options) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options of requests.

    The function is called with what was given, by name, as the command line has it; it takes them
    as keywords. Of options with one name the last counts, in the place of the first.
    """
    options = {name: one for group in groups for name, one in group.items()}

    def decorate(work: Callable[..., None]) -> Callable[..., None]:
        def command(**values: Any) -> None:
            given = {name: value for name, value in values.items() if value not in (None, [])}
            work(**given)

        # Once a request: evaluating its types takes longer than all else here.
        hints = {one: typing.get_type_hints(one) for one in {one for one, _ in options.values()}}
        parameters = [
            _parameter(name, hints[request][name], option)
            for name, (request, option) in options.items()
        ]
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        command.__annotations__ = {one.name: one.annotation for one in parameters}
        command.__name__, command.__doc__ = work.__name__, work.__doc__
        command.__module__ = work.__module__
        return command

    return decorate


def _parameter(name: str, kind: Any, option: Option) -> inspect.Parameter:
    """An option as typer reads it from a function's signature; ``kind`` is the field's type."""
    for arm in typing.get_args(kind):
        if typing.get_origin(arm) is tuple:  # any number of them
            kind = list[typing.get_args(arm)[0]]  # type: ignore[misc]
    if option.parse is not None:
        kind = str  # parsed where a YAML file is, too
    if not option.required and kind is not bool:
        kind = kind | None
    declared = typer.Option(
        *option.flags,
        help=option.help.replace("[", "\\["),
        rich_help_panel=option.panel,
        min=option.low,
        max=option.high,
    )
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=inspect.Parameter.empty if option.required else False if kind is bool else None,
        annotation=Annotated[kind, declared],
    )
