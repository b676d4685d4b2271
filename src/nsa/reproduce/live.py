"""What a person sees while jobs run: what is finished, and where every running job is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Group
from rich.table import Table as RichTable
from rich.text import Text

from nsa.jobs.execute import FINISHED, RUNS
from nsa.reproduce.job import Job
from nsa.reproduce.results import log_path, read_result, result_path
from nsa.runs.several.standing import state_of
from nsa.system.console import counted, printable


class LiveTable:
    """Categories x systems with the mean image AUROC so far, and a line per running job below.

    Args:
        folder: the results folder.
        jobs: all jobs of the request.
    """

    def __init__(self, folder: Path, jobs: Sequence[Job]) -> None:
        self._folder, self._jobs = folder, jobs
        self._cells: dict[tuple[str, str], list[Job]] = {}
        for job in jobs:
            self._cells.setdefault((job.category, job.system.name), []).append(job)
        self._scores: dict[str, float | None] = {}  # of what is finished

    def draw(self, states: Mapping[str, str]) -> Group:
        """The state of all jobs and parts, by name, as :func:`nsa.jobs.execute.execute` has it."""
        lines = [
            Text(printable(f"{name}: {state_of(log_path(self._folder, name))}"),
                 overflow="ellipsis", no_wrap=True, style="dim")
            for name, state in states.items() if state == RUNS
        ]  # fmt: skip
        return Group(self._table(states), *lines)

    def _table(self, states: Mapping[str, str]) -> RichTable:
        for job in self._jobs:
            if states[job.name] == FINISHED and job.name not in self._scores:
                result = read_result(result_path(self._folder, job))
                self._scores[job.name] = None if result is None else result.metric("image_auroc")
        systems = list(dict.fromkeys(job.system.name for job in self._jobs))
        title = f"{len(self._scores)} of {counted(len(self._jobs), 'job')} finished; image AUROC %"
        table = RichTable(title=title, title_justify="left")
        table.add_column("category")
        for name in systems:
            table.add_column(name, justify="right")
        for category in dict.fromkeys(job.category for job in self._jobs):
            table.add_row(category, *(self._cell(category, name) for name in systems))
        return table

    def _cell(self, category: str, system: str) -> Text:
        jobs = self._cells.get((category, system))
        if jobs is None:
            return Text("-", "dim")
        done = [self._scores[job.name] for job in jobs if job.name in self._scores]
        values = [score for score in done if score is not None]
        cell = Text(f"{100 * sum(values) / len(values):.1f} " if values else "")
        return cell.append(f"{len(done)}/{len(jobs)}", "green" if len(done) == len(jobs) else "dim")
