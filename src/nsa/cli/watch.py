"""The command ``nsa watch``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nsa.cli.options import Device, Engine, Fpr, MaskFpr, MaskShare, RunFolder


def watch_command(
    run: RunFolder,
    folder: Annotated[Path, typer.Argument(help="Folder in which images appear, or below it.")],
    output: Annotated[
        Path,
        typer.Option(help="Folder for scores.csv and the pictures: new, or of an earlier call."),
    ],
    fpr: Fpr = None,
    mask_fpr: MaskFpr = None,
    mask_share: MaskShare = None,
    device: Device = None,
    engine: Engine = "torch",
    overlays: Annotated[
        bool, typer.Option("--overlays/--no-overlays", help="Write heat map pictures.")
    ] = True,
    settle: Annotated[
        float,
        typer.Option(
            help="Seconds for which a file must not change before it is judged, unless it is "
            "closed or renamed before."
        ),
    ] = 1.0,
    tries: Annotated[
        int, typer.Option(help="How often a file is read until it is listed as unreadable.")
    ] = 3,
    poll: Annotated[
        bool,
        typer.Option(
            "--poll",
            help="Look into the folder every second; for network drives that tell nothing.",
        ),
    ] = False,
    once: Annotated[
        bool, typer.Option("--once", help="Judge what is there and not judged yet, and end.")
    ] = False,
    drift_level: Annotated[
        float, typer.Option(help="Probability of a false alarm of drift, ever.")
    ] = 0.01,
) -> None:
    """Judge images as they appear in a folder, until Ctrl-C.

    Images that are there already come first. Each is judged once, also over restarts with the same
    --output, and again when it is overwritten. scores.csv, regions.csv and unreadable.csv have the
    results, status.json counts, rate and drift for other programs.

    Of a calibrated run an alarm tells, once, when the scores of images that are called normal have
    moved away from those of nsa calibrate.
    """
    from nsa.detectors.registry import load, open_run
    from nsa.runs.watch import WatchOptions, watch

    options = WatchOptions(
        settle=settle, tries=tries, poll=poll, once=once, overlays=overlays, drift_level=drift_level
    )
    opened, detector = open_run(run), load(run, device or "auto", engine=engine)
    watch(
        opened, detector, folder, output, options, fpr=fpr, mask_fpr=mask_fpr,
        mask_share=mask_share,
    )  # fmt: skip
