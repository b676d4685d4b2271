"""The command ``nsa export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nsa.cli.options import Fpr, Overwrite, RunFolder
from nsa.system.console import console


def export_command(
    run: RunFolder,
    output: Annotated[Path, typer.Option(help="File to write: .onnx, or .pt2 for torch alone.")],
    fpr: Fpr = None,
    int8: Annotated[
        bool,
        typer.Option("--int8", help="Convolutions in 8 bits, for speed; .onnx only, see --images."),
    ] = False,
    check: Annotated[
        bool,
        typer.Option("--check", help="Compare the file with the run; write it if equal."),
    ] = False,
    images: Annotated[
        list[Path] | None,
        typer.Option(
            help="Normal images, files or folders, for --int8 and --check; may be repeated. "
            "\\[default: the training images]"
        ),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Write the detector as one file that runs without this package.

    It takes uint8 images of the detector's size, or of any where the detector has none, and gives
    scores, with maps where the method has them; of a calibrated run also a label, at --fpr or the
    rate that it was trained for.
    """
    from nsa.detectors.registry import load, open_run
    from nsa.runs.export import export

    done = export(
        open_run(run), load(run, "cpu"), output,
        fpr=fpr, int8=int8, check=check, images=images or (), overwrite=overwrite,
    )  # fmt: skip
    console.print(f"Wrote {output}", soft_wrap=True)
    for name in ("inputs", "resize", "outputs", "threshold", "fpr", "int8"):
        if name in done.notes:
            console.print(f"{name}: {done.notes[name]}", soft_wrap=True)
    for line in done.report:
        console.print(line, soft_wrap=True)
