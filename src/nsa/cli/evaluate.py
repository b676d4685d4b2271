"""The command ``nsa evaluate``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nsa.cli.options import (
    Device,
    Fpr,
    Ignore,
    MaskFpr,
    MaskShare,
    Overwrite,
    Review,
    RunFolder,
)
from nsa.cli.results import print_results
from nsa.errors import InputError
from nsa.system.console import console
from nsa.system.places import named

if TYPE_CHECKING:
    from nsa.folder import AnyRun
    from nsa.images import Dataset


def evaluate_command(
    run: RunFolder,
    data_root: Annotated[
        Path | None, typer.Option(help="Other images than the run's, in any layout of nsa train.")
    ] = None,
    category: Annotated[
        str | None, typer.Option(help="Folder below --data-root. \\[default: the run's]")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            help="New folder for the results. \\[default: the run folder, for the run's own images]"
        ),
    ] = None,
    fpr: Fpr = None,
    mask_fpr: MaskFpr = None,
    mask_share: MaskShare = None,
    ignore: Ignore = None,
    device: Device = None,
    review: Review = True,
    overwrite: Overwrite = False,
) -> None:
    """Judge a trained detector on a test set.

    Defects within what is ignored do not count: such pixels are normal ones, as the detector says.
    """
    from nsa.detectors.hidden import ignored_by
    from nsa.detectors.registry import load, open_run
    from nsa.folder import changing
    from nsa.images import open_dataset
    from nsa.images.ignored import Ignored
    from nsa.runs.copies import kept_training_contents, warn_about_test
    from nsa.runs.decisions import Decisions, pixel_threshold
    from nsa.runs.evaluate import check_output, evaluate, write_evaluation
    from nsa.runs.outputs import begin_results
    from nsa.runs.review import add_sample, start_page
    from nsa.runs.working_point import add_working_point
    from nsa.system.lock import FolderLock
    from nsa.system.sending import sending

    if output is not None:
        begin_results(output, overwrite=overwrite)  # before images are fetched
    opened, detector = open_run(run), load(run, device or "auto")
    if data_root is None:
        dataset = open_dataset(
            opened.places["data_root"],
            category or opened.settings.category,
            opened.places["normal_dir"],
        )
    else:
        dataset = open_dataset(data_root, category or _category_below(data_root, opened))
    given = None if ignore is None else Ignored.open(ignore)
    detector.ignore(given)
    if given is None or given.one is not None:
        # Masks of the run's own images are not those of others.
        place = opened.places.get("ignore") if data_root is None else None
        given = ignored_by(opened.path, place)
    dataset = dataset.ignoring(given)
    if output is not None:
        check_output(opened, dataset, output, overwrite=overwrite)
    elif (data_root or category) and not _are_its_own(opened, dataset):
        raise InputError(
            f"These are not the images that {run} was trained with, whose results it holds; name "
            "an --output for others."
        )
    decisions = Decisions.of(run, detector, fpr, mask_fpr, mask_share)
    page, each = None, None
    if review:
        page = start_page(opened, detector, len(dataset.test), decisions)
        each = partial(add_sample, page, dataset.test, decisions)
    judged = evaluate(detector, dataset, pixel_threshold=pixel_threshold(decisions), each=each)
    warn_about_test(dataset.test, judged.contents, kept_training_contents(opened))
    result = add_working_point(detector, opened, judged, dataset, decisions)
    sent = changing(run) if output is None else sending(output, ("metrics.json",))
    with FolderLock(run if output is None else output), sent:
        write_evaluation(opened, result, dataset, opened.training_times(), output, page)
    print_results(result, dataset.name)
    console.print(f"Results are in {named(output or run)}", soft_wrap=True)


def _are_its_own(run: AnyRun, dataset: Dataset) -> bool:
    """Whether a data set is that of the run's training, wherever its images lie now."""
    from nsa.runs.train import open_run_dataset

    try:
        own = open_run_dataset(run)
    except InputError:  # moved, and these may be any
        return False
    one, other = ([*each.test, *each.train][0].path for each in (own, dataset))
    return one.samefile(other)


def _category_below(data_root: Path, run: AnyRun) -> str | None:
    """The run's own category where the data root has it; else the only one there."""
    from nsa.images import list_categories

    category: str = run.settings.category
    return category if category in list_categories(data_root) else None
