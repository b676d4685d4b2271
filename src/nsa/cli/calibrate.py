"""The command ``nsa calibrate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nsa.cli.options import Device, Ignore, RunFolder
from nsa.system.console import standard_output


def calibrate_command(
    run: RunFolder,
    normals: Annotated[
        list[Path],
        typer.Argument(help="Normal images that were not trained on: files, or folders of them."),
    ],
    ignore: Ignore = None,
    device: Device = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a calibration by other images.")
    ] = False,
) -> None:
    """Set the scale of scores by held-out normal images, for predict and evaluate with --fpr.

    Their scores are kept in the run folder, and what --mask-fpr and --mask-share need of maps; also
    a mask of --ignore, which the run ignores from then on.
    """
    from nsa.detectors.registry import load, open_run
    from nsa.report.tables import calibration_table
    from nsa.runs.calibrate import calibrate, check_kept

    opened = open_run(run)
    if not overwrite:
        check_kept(run, normals)
    calibration = calibrate(opened, load(run, device or "auto", calibrated=False), normals, ignore)
    standard_output.print(calibration_table(calibration.table(), len(calibration.scores)))
