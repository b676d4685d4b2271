"""The command ``nsa evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nsa.cli.options import Category, DataRoot, Device, Fpr, RunFolder
from nsa.cli.results import print_results
from nsa.system.console import console

if TYPE_CHECKING:
    from nsa.folder import BaseRun


def evaluate_command(
    run: RunFolder,
    data_root: DataRoot = None,
    category: Category = None,
    output: Annotated[
        Path | None, typer.Option(help="Folder for the results. \\[default: the run folder]")
    ] = None,
    fpr: Fpr = None,
    device: Device = None,
) -> None:
    """Judge a trained detector on a test set."""
    from nsa.detectors.scorer import open_scorer
    from nsa.images import open_dataset
    from nsa.runs.calibrate import add_working_point
    from nsa.runs.evaluate import write_evaluation
    from nsa.system.files import make_folder

    scorer = open_scorer(run, device or "auto")
    opened = scorer.run
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
    result = add_working_point(scorer, scorer.evaluate(dataset), dataset, fpr)
    write_evaluation(opened, result, dataset, opened.training_times(), output)
    print_results(result, dataset.name)
    console.print(f"Results are in {output or run}", markup=False, soft_wrap=True)


def _category_below(data_root: Path, run: BaseRun[Any]) -> str | None:
    """The run's own category where the data root has it; else the only one there."""
    return run.settings.category if (data_root / run.settings.category).is_dir() else None
