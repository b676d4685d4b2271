"""The command ``nsa reproduce``."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

from nsa.errors import InputError
from nsa.system.console import console

_log = logging.getLogger("nsa")

_PANEL = "Options of --paper gaussian"


def reproduce_command(
    data_root: Annotated[
        Path,
        typer.Option(
            help="Folder of categories in the layout of MVTec AD or lists of X-rays, or one such."
        ),
    ],
    paper: Annotated[
        str,
        typer.Option(help="Whose tables: nsa, or gaussian (the detector of Rippel et al. 2020)."),
    ] = "nsa",
    table: Annotated[
        str,
        typer.Option(
            help="By the paper's own numbers, several by commas, or all: 1, 2, 3, 7, 8 of nsa; I, "
            "II, III, IV, V, VII, VIII of gaussian."
        ),
    ] = "all",
    methods: Annotated[
        str | None,
        typer.Option(
            help="Systems by commas, such as nsa_logistic,fpi; of gaussian such as resnet18 (every "
            "distribution and the one-class SVM), resnet18_augmented, supervised_resnet18, "
            "autoencoder. \\[default: those of the tables]"
        ),
    ] = None,
    categories: Annotated[
        str | None,
        typer.Option(help="By commas. \\[default: those of the tables that the data root has]"),
    ] = None,
    seeds: Annotated[
        str | None,
        typer.Option(
            help="How many (5 means 0 to 4), or a list by commas such as 0,7. \\[default: 5; of "
            "gaussian 1, as its 5 folds are the repetition]"
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(help="Shorten every training to this; tables say so. \\[default: preset]"),
    ] = None,
    network: Annotated[
        str | None,
        typer.Option(
            help="In place of every network of the paper's. \\[default: the paper's; resnet18 "
            "where --weights is a run folder]",
            rich_help_panel=_PANEL,
        ),
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(
            help="Of all networks: default (ImageNet, torchvision's first), random, a state-dict "
            "file, or a run folder whose encoder is taken. \\[default: default]",
            rich_help_panel=_PANEL,
        ),
    ] = None,
    augment: Annotated[
        int | None,
        typer.Option(
            help="Augmented copies of every image; tables say so if fewer. \\[default: 100]",
            rich_help_panel=_PANEL,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            help="Results folder; one with results in it is continued. \\[default: reproduction, "
            "or reproduction-gaussian]"
        ),
    ] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu or cuda. \\[default: auto]")] = None,
    precision: Annotated[
        str | None, typer.Option(help="bf16, fp32 or auto, one for all jobs. \\[default: auto]")
    ] = None,
    jobs_per_device: Annotated[
        int | None,
        typer.Option(min=1, max=64, help="Jobs at once on a GPU, or on the CPU. \\[default: 1]"),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(help="YAML file with settings for every job, as nsa train reads it."),
    ] = None,
) -> None:
    """Run a paper's systems over categories and seeds and write our tables beside the paper's.

    Finished jobs are skipped and interrupted ones continue. Any number of processes may share one
    --output: under torchrun, every rank takes its share. Another --data-root, such as the X-rays of
    Table 3, may join the same --output.
    """
    from nsa.reproduce.job import Request
    from nsa.reproduce.papers import check_tables, find_paper
    from nsa.reproduce.report import FILES, write_report
    from nsa.reproduce.results import check_consistent, read_results
    from nsa.reproduce.runner import is_finished, prepare_folder, run_jobs

    chosen = find_paper(paper)
    output = output or Path("reproduction" if paper == "nsa" else f"reproduction-{paper}")
    request = Request(
        data_root=str(data_root.expanduser().resolve()),
        output=str(output.expanduser().resolve()),
        paper=paper,
        tables=check_tables(paper, _names(table)),
        methods=_names(methods),
        categories=_names(categories),
        seeds=chosen.seeds if seeds is None else _seeds(seeds),
        epochs=epochs,
        network=network,
        weights=weights,
        augment=augment,
        config=None if config is None else str(config.resolve()),
        device=device,
        precision=precision,
    )
    jobs = chosen.plan(request)
    folder = Path(request.output)
    chosen.prepare([job for job in jobs if not is_finished(folder, job)])
    prepare_folder(folder)
    check_consistent(read_results(folder), jobs)
    _log.info("%d jobs, results go to %s.", len(jobs), request.output)
    failures = run_jobs(jobs, request, jobs_per_device or 1)
    tables = write_report(folder, chosen, request.tables, jobs)
    if tables:
        paths = ", ".join(str(folder / name) for name in FILES)
        console.print(f"Wrote {paths}", markup=False, soft_wrap=True)
    left = sum(not is_finished(folder, job) for job in jobs)
    if left > len(failures):  # whoever finishes them writes the tables again
        _log.info("%d jobs are in the hands of other processes.", left - len(failures))
    if failures:
        name, reason = next(iter(failures.items()))
        raise InputError(f"{len(failures)} could not be finished, the first is {name}: {reason}")
    if not tables and not left:
        raise InputError(
            f"No table of {', '.join(request.tables)} can be filled: the test sets lack what its "
            "metric needs, such as masks of the defects, or --methods names none of its systems."
        )


def _names(text: str | None) -> tuple[str, ...]:
    return () if text is None else tuple(part.strip() for part in text.split(",") if part.strip())


def _seeds(text: str) -> tuple[int, ...]:
    parts = _names(text)
    if not parts or not all(part.isdecimal() for part in parts):
        raise InputError(
            f"--seeds must be a number of seeds or a list by commas such as 0,1,2, got {text!r}."
        )
    numbers = tuple(dict.fromkeys(int(part) for part in parts))
    if "," in text:
        return numbers
    if not 1 <= numbers[0] <= 1000:
        raise InputError(f"--seeds must be 1 to 1000 seeds, got {numbers[0]}.")
    return tuple(range(numbers[0]))
