"""``nsa predict --format parquet``: what of the command is its own."""

from __future__ import annotations

from pathlib import Path

import typer

from nsa.errors import InputError, shown

_OF_CSV = (
    "mask_fpr", "mask_share", "save_maps", "save_spread", "map_format", "overlays", "review",
)  # fmt: skip


def is_bulk(form: str | None, cluster: str | None) -> bool:
    """Whether ``--format`` and ``--cluster`` ask for tables without pictures.

    Raises:
        InputError: they contradict each other, or there is no such format.
    """
    if form not in (None, "csv", "parquet"):
        raise InputError(f"--format must be csv or parquet, got {shown(form)}.")
    if form == "csv" and cluster is not None:
        raise InputError("--cluster writes --format parquet; leave out --format csv, or --cluster.")
    return form == "parquet" or cluster is not None


def refuse_pictures(context: typer.Context) -> None:
    """Refuse options of ``nsa predict`` for what only the CSV form writes.

    Raises:
        InputError: one is given.
    """
    for name in _OF_CSV:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE" and context.params[name]:
            option = f"--{name.replace('_', '-')}"
            raise InputError(f"--format parquet writes tables alone; leave out {option}.")


def judge_in_bulk(
    run: Path,
    images: list[str],
    output: str,
    cluster: str | None,
    *,
    fpr: float | None,
    ignore: Path | None,
    device: str | None,
    engine: str,
    overwrite: bool,
) -> None:
    """Score images into Parquet files; arguments as of ``nsa predict``."""
    from nsa.runs.bulk.packages import need_pyarrow

    need_pyarrow()
    from nsa.detectors.registry import load, open_run
    from nsa.runs.bulk.predict import predict_bulk

    opened, here = open_run(run), (device or "auto") if cluster is None else "cpu"
    predict_bulk(
        opened, load(run, here, engine=engine), images, output, cluster=cluster,
        device=device or "auto", engine=engine, fpr=fpr, ignore=ignore, overwrite=overwrite,
    )  # fmt: skip
