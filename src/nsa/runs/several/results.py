"""What several trainings have come to: the table while they run, and the scores of all."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from nsa.errors import InputError
from nsa.jobs.attempt import in_short
from nsa.jobs.execute import FAILED, FINISHED, RUNS
from nsa.report.tables import categories_table
from nsa.runs.several.job import Training
from nsa.runs.several.standing import state_of
from nsa.system.console import as_argument, console, counted, standard_output
from nsa.system.files import write_csv
from nsa.system.places import with_urls_named

_COLUMNS = (
    "image_auroc", "pixel_auroc", "au_pro", "au_pro_05", "image_average_precision", "image_f1_max",
    "pixel_average_precision", "pixel_f1_max",
)  # fmt: skip
_TIMES = ("training_seconds", "images_per_second", "evaluation_seconds")
_SUMMARY = "summary.csv"
_NAMED_FAILURES = 5
_LINES_APART = 8  # of a terminal, around the lines of the trainings


class StateTable:
    """What a person sees while the trainings run.

    Args:
        trainings: all of them.
    """

    def __init__(self, trainings: Sequence[Training]) -> None:
        self._trainings = trainings
        self._scores: dict[str, str] = {}

    def draw(self, states: Mapping[str, str]) -> Table:
        """The state of all, by name, as :func:`nsa.jobs.execute.execute` has it.

        Where a terminal has too few lines for all, those that run and those that failed.
        """
        finished = sum(state == FINISHED for state in states.values())
        shown = self._trainings
        if len(shown) > console.height - _LINES_APART:
            shown = [one for one in shown if states[one.name] in (RUNS, FAILED)]
        title = f"{finished} of {counted(len(self._trainings), 'training')} finished"
        table = Table(title=title, title_justify="left")
        table.add_column("training")
        table.add_column("image AUROC %", justify="right")
        # A long one would squeeze the others to nothing.
        longest = max((len(one.name) for one in shown), default=0)
        rest = console.width - max(longest, len("training")) - len("image AUROC %") - 10
        table.add_column("now", no_wrap=True, overflow="ellipsis", max_width=max(10, rest))
        for one in shown:
            state = states[one.name]
            if state == FINISHED:
                table.add_row(one.name, self._score(one), "")
            else:
                table.add_row(one.name, "", state_of(one.log) if state == RUNS else state)
        return table

    def _score(self, one: Training) -> str:
        """Of a training that has finished; read once."""
        if one.name not in self._scores:
            score = (one.metrics() or {}).get("image_auroc")
            self._scores[one.name] = "" if score is None else f"{100 * score:.1f}"
        return self._scores[one.name]


def report(folder: Path, trainings: Sequence[Training], failures: Mapping[str, str]) -> None:
    """Write ``summary.csv`` and print the scores of what has finished, and what failed.

    Raises:
        InputError: some have not.
    """
    results = {one.name: one.metrics() for one in trainings}
    reasons = {
        name: with_urls_named(failures.get(name, f"it has left no result in {folder}"))
        for name, metrics in results.items()
        if metrics is None
    }
    _write_summary(folder / _SUMMARY, trainings, results, reasons)
    finished: dict[str, dict[int | None, dict[str, Any]]] = {}
    for one in trainings:
        metrics = results[one.name]
        if metrics is not None:
            finished.setdefault(one.category, {})[one.seed] = metrics
    if finished:
        standard_output.print(categories_table(finished, list(reasons)))
    if reasons:
        logs = {one.name: one.log for one in trainings}
        named = list(reasons.items())[:_NAMED_FAILURES]
        listed = "; ".join(f"{name}: {in_short(reason, logs[name])}" for name, reason in named)
        if len(reasons) > len(named):
            listed += f"; and {len(reasons) - len(named)} more, see {folder / _SUMMARY}"
        raise InputError(
            f"{len(reasons)} of {counted(len(results), 'training')} failed; mend the cause, and "
            f"--resume {as_argument(folder)} tries again. {listed}."
        )


def _write_summary(
    path: Path,
    trainings: Sequence[Training],
    results: Mapping[str, dict[str, Any] | None],
    reasons: Mapping[str, str],
) -> None:
    """A line a training: scores as fractions, times, and why it has none.

    Where there are seeds, two more a category: the mean over them, and the standard deviation.
    """
    seeded = any(one.seed is not None for one in trainings)
    lines, columns = [], ("category", *(("seed",) if seeded else ()), *_COLUMNS, *_TIMES, "failure")
    for category in dict.fromkeys(one.category for one in trainings):
        ours = [one for one in trainings if one.category == category]
        rows = [_numbers(results[one.name]) for one in ours]
        for one, row in zip(ours, rows, strict=True):
            key = [category, one.seed] if seeded else [category]
            lines.append([*key, *row, reasons.get(one.name, "")])
        if seeded:
            known = [[v for v in column if v is not None] for column in zip(*rows, strict=True)]
            means = [statistics.mean(values) if values else None for values in known]
            spread = [statistics.stdev(values) if len(values) > 1 else None for values in known]
            lines.append([category, "mean", *means, ""])
            lines.append([category, "standard deviation", *spread, ""])
    write_csv(path, columns, lines)


def _numbers(metrics: dict[str, Any] | None) -> list[float | None]:
    found = metrics or {}
    times = found.get("times", {})
    return [found.get(key) for key in _COLUMNS] + [times.get(key) for key in _TIMES]
