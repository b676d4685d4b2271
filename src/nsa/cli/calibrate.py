"""The command ``nsa calibrate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from nsa.cli.options import Device, RunFolder


def calibrate_command(
    run: RunFolder,
    normals: Annotated[
        list[Path],
        typer.Argument(help="Normal images that were not trained on: files, or folders of them."),
    ],
    device: Device = None,
) -> None:
    """Set the scale of scores by held-out normal images, for predict and evaluate with --fpr.

    Their scores are kept in the run folder and replace earlier ones.
    """
    from nsa.detectors.registry import load, open_run
    from nsa.report.tables import calibration_table
    from nsa.runs.calibrate import calibrate

    calibration = calibrate(open_run(run), load(run, device or "auto"), normals)
    Console().print(calibration_table(calibration.table(), len(calibration.scores)))
