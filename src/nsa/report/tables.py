"""Results as a table in the terminal."""

from __future__ import annotations

import statistics
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


def categories_table(
    results: Mapping[str, Mapping[int | None, Mapping[str, Any]]], failed: Sequence[str] = ()
) -> Table:
    """A rich table of the scores of several categories in percent, with their mean.

    Where there are seeds, each score is the mean over them, with the standard deviation.

    Args:
        results: category -> seed, or None where there is none -> what its ``metrics.json`` holds.
        failed: names of trainings that have no scores.
    """
    names = ("image_auroc", "pixel_auroc", "au_pro")
    table = Table()
    table.add_column("category")
    for name in names:
        table.add_column(f"{_NAMES[name]} %", justify="right")
    table.add_column("training", justify="right")
    for category, of_seeds in results.items():
        cells = [_spread([one[name] for one in of_seeds.values()]) for name in names]
        table.add_row(category, *cells, duration(_training_seconds(of_seeds)))
    for name in failed:
        table.add_row(name, "failed")
    if len(results) > 1:
        table.add_section()
        # A mean over categories shifts with the categories, so a seed counts that has all of them.
        seeds = sorted(set.intersection(*map(set, results.values())), key=lambda seed: seed or 0)
        cells = [
            _spread([_mean([of[seed][name] for of in results.values()]) for seed in seeds])
            for name in names
        ]
        total = sum(map(_training_seconds, results.values()))
        table.add_row("mean", *cells, f"{duration(total)} in all")
    return table


def _training_seconds(runs: Mapping[int | None, Mapping[str, Any]]) -> float:
    return float(sum(one["times"].get("training_seconds", 0) for one in runs.values()))


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.mean(known) if known else None


def _spread(values: Sequence[float | None]) -> str:
    """Fractions as a mean in percent, and their standard deviation where there are several."""
    known = [100 * value for value in values if value is not None]
    if not known:
        return "-"
    if len(known) == 1:
        return f"{known[0]:.1f}"
    return f"{statistics.mean(known):.1f} ± {statistics.stdev(known):.1f}"


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
