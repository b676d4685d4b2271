"""The command ``nsa combine``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nsa.cli.options import Device
from nsa.cli.results import print_results
from nsa.system.console import console


def combine_command(
    runs: Annotated[
        list[Path], typer.Argument(help="Finished run folders of one product, two or more.")
    ],
    output: Annotated[Path, typer.Option(help="New run folder.")],
    normals: Annotated[
        list[Path] | None,
        typer.Option(
            help="Normal images that no member was trained on: a file, or a folder of them. May be "
            "given several times. \\[default: those that the runs were calibrated with]"
        ),
    ] = None,
    device: Device = None,
) -> None:
    """Make one detector of several, of any methods and seeds, then evaluate it.

    The scores and maps of every member are standardised by held-out normal images and summed. How
    far the members disagree is the spread of an image, in scores.csv. The new run folder holds
    copies of the members. It is calibrated by the same images, for --fpr.
    """
    from nsa.runs.combine import combine

    made = combine(runs, output, normals or [], device)
    print_results(made.evaluation, made.run.settings.category)
    console.print(f"Results are in {made.run.path}", soft_wrap=True)
