"""The command ``nsa calibrate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nsa.cli.options import Device, Ignore, RunFolder
from nsa.errors import InputError
from nsa.system.console import console, standard_output


def calibrate_command(
    run: RunFolder,
    normals: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Normal images that were not trained on: files, or folders of them. \\[default: "
            "with --verdicts those of the present calibration]"
        ),
    ] = None,
    ignore: Ignore = None,
    device: Device = None,
    verdicts: Annotated[
        Path | None,
        typer.Option(
            help="Table of the review page (path,verdict): images judged good calibrate, too; of "
            "those judged bad it is said how many the threshold finds."
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a calibration by other images.")
    ] = False,
) -> None:
    """Set the scale of scores by held-out normal images, for predict and evaluate with --fpr.

    Their scores are kept in the run folder, and what --mask-fpr and --mask-share need of maps; also
    a mask of --ignore, which the run ignores from then on.

    Rates hold for normal images like these. So judge all images of a batch for --verdicts: its
    good ones are like others then. If only those are judged that the run called anomalous,
    thresholds move up and never down: at most the rate asked for is called anomalous, but perhaps
    far less, and more defects are missed. If odd ones are left out, thresholds are too low. After
    a change of product or camera the earlier images stand for what no longer comes: name good
    images of now, with --overwrite.
    """
    from nsa.detectors.registry import load, open_run
    from nsa.folder import changing
    from nsa.metrics.conformal import rate_text
    from nsa.report.tables import calibration_table
    from nsa.runs.calibrate import calibrate, check_kept
    from nsa.runs.decisions import Decisions
    from nsa.runs.judged_bad import describe_found
    from nsa.runs.recalibrate import calibrate_by_verdicts

    if verdicts is None and not normals:
        raise InputError(
            "There are no images to calibrate with; name files or folders of normal images that "
            "were not trained on, or give --verdicts."
        )
    named = normals or []
    opened, found = open_run(run), None
    if verdicts is None and not overwrite:
        check_kept(run, named)
    # The images of the present calibration go on without what that ignored.
    detector = load(run, device or "auto", calibrated=not named)
    with changing(run):
        if verdicts is None:
            calibration = calibrate(opened, detector, named, ignore)
        else:
            calibration, found = calibrate_by_verdicts(
                opened, detector, named, verdicts, ignore, overwrite=overwrite
            )
    standard_output.print(calibration_table(calibration.table(), len(calibration.scores)))
    rate = Decisions.of(run, detector)
    if rate is not None:
        console.print(
            f"From now on images are called anomalous at a false positive rate of "
            f"{rate_text(rate.fpr)}, unless --fpr says another.",
            soft_wrap=True,
        )
    if found is not None:
        standard_output.print(describe_found(found), soft_wrap=True)
