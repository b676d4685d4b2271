"""Results as a table in the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from nsa.metrics.conformal import rate_text
from nsa.system.console import duration

_NAMES = {
    "image_auroc": "image AUROC",
    "image_average_precision": "image average precision",
    "image_f1_max": "image F1, best on test set",
    "pixel_auroc": "pixel AUROC",
    "pixel_average_precision": "pixel average precision",
    "pixel_f1_max": "pixel F1, best on test set",
    "segmentation_f1": "segmentation F1",
    "au_pro": "AU-PRO to FPR 0.3",
    "au_pro_05": "AU-PRO to FPR 0.05",
}


def results_table(
    results: Mapping[str, Mapping[str, float | None]],
    *,
    title: str | None = None,
    reasons: Mapping[str, str] | None = None,
) -> Table:
    """A rich table of metrics in percent; print it with ``rich.console.Console``.

    Args:
        results: heading of a column -> metric -> fraction in [0, 1], or None where it could not be
            computed; the same metrics in each.
        title: heading, such as the category.
        reasons: metric -> why it could not be computed, shown in place of the number.
    """
    table = Table(title=title, title_justify="left")
    table.add_column("metric")
    for heading in results:
        table.add_column(heading, justify="right")
    for name in next(iter(results.values())):
        missing = Text((reasons or {}).get(name, "not available"), "dim")
        values = [column[name] for column in results.values()]
        cells = [missing if value is None else Text(f"{100 * value:.1f}") for value in values]
        table.add_row(_NAMES.get(name, name.replace("_", " ")), *cells)
    return table


def categories_table(results: Mapping[str, Mapping[str, Any]]) -> Table:
    """A rich table of the scores of several categories in percent, with their mean.

    Args:
        results: category -> what its ``metrics.json`` holds.
    """
    names = ("image_auroc", "pixel_auroc", "au_pro")
    table = Table()
    table.add_column("category")
    for name in names:
        table.add_column(f"{_NAMES[name]} %", justify="right")
    table.add_column("training", justify="right")
    for category, values in results.items():
        cells = ["-" if values[name] is None else f"{100 * values[name]:.1f}" for name in names]
        table.add_row(category, *cells, duration(values["times"].get("training_seconds", 0)))
    if len(results) > 1:
        table.add_section()
        columns = ([one[name] for one in results.values()] for name in names)
        known = [[value for value in column if value is not None] for column in columns]
        means = [f"{100 * sum(one) / len(one):.1f}" if one else "-" for one in known]
        total = sum(one["times"].get("training_seconds", 0) for one in results.values())
        table.add_row("mean", *means, f"{duration(total)} in all")
    return table


def calibration_table(rows: Sequence[tuple[float, float | None, int]], images: int) -> Table:
    """A rich table of thresholds.

    Args:
        rows: false positive rate, its threshold (None: too few images for it), and the number of
            held-out images it needs.
        images: number of held-out images that there are.
    """
    smallest = f"smallest rate 1/{images + 1} = {rate_text(1 / (images + 1))}"
    title = f"{images} held-out normal images, {smallest}"
    table = Table(title=title, title_justify="left", min_width=len(title))
    table.add_column("false positive rate")
    table.add_column("score above", justify="right")
    for rate, threshold, needed in rows:
        missing = Text(f"needs {needed} images", "dim")
        table.add_row(rate_text(rate), missing if threshold is None else Text(f"{threshold:.6g}"))
    return table
