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
    overwrite: Overwrite = False,
) -> None:
    """Write the detector as one file that runs without this package.

    It takes uint8 images of the detector's size, or of any where the detector has none, and gives
    scores, with maps where the method has them; with --fpr, after nsa calibrate, also a label.
    """
    from nsa.detectors.registry import load, open_run
    from nsa.runs.export import export

    notes = export(open_run(run), load(run, "cpu"), output, fpr=fpr, overwrite=overwrite)
    console.print(f"Wrote {output}", soft_wrap=True)
    for name in ("inputs", "resize", "outputs", "threshold"):
        if name in notes:
            console.print(f"{name}: {notes[name]}", soft_wrap=True)
