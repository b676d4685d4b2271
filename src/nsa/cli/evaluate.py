"""The command ``nsa evaluate``."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nsa.cli.options import Device, Fpr, RunFolder
from nsa.cli.results import print_results
from nsa.system.console import console

if TYPE_CHECKING:
    from nsa.folder import AnyRun


def evaluate_command(
    run: RunFolder,
    data_root: Annotated[
        Path | None, typer.Option(help="Other images than the run's, in any layout of nsa train.")
    ] = None,
    category: Annotated[
        str | None, typer.Option(help="Folder below --data-root. \\[default: the run's]")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Folder for the results. \\[default: the run folder]")
    ] = None,
    fpr: Fpr = None,
    device: Device = None,
) -> None:
    """Judge a trained detector on a test set."""
    from nsa.detectors.registry import load, open_run
    from nsa.folder import RunLock
    from nsa.images import open_dataset
    from nsa.runs.calibrate import add_working_point
    from nsa.runs.copies import kept_training_contents, warn_about_test
    from nsa.runs.evaluate import evaluate, write_evaluation
    from nsa.system.files import make_folder

    opened, detector = open_run(run), load(run, device or "auto")
    if data_root is None:
        dataset = open_dataset(
            opened.places["data_root"],
            category or opened.settings.category,
            opened.places["normal_dir"],
        )
    else:
        dataset = open_dataset(data_root, category or _category_below(data_root, opened))
    if output is not None:
        make_folder(output)
    judged = evaluate(detector, dataset)
    warn_about_test(dataset.test, judged.contents, kept_training_contents(opened))
    result = add_working_point(detector, opened, judged, dataset, fpr)
    with RunLock(run) if output is None else contextlib.nullcontext():
        write_evaluation(opened, result, dataset, opened.training_times(), output)
    print_results(result, dataset.name)
    console.print(f"Results are in {output or run}", markup=False, soft_wrap=True)


def _category_below(data_root: Path, run: AnyRun) -> str | None:
    """The run's own category where the data root has it; else the only one there."""
    category: str = run.settings.category
    return category if (data_root / category).is_dir() else None
