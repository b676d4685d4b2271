"""What a person sees while jobs run: what is finished, and where every running job is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Group
from rich.table import Table as RichTable
from rich.text import Text

from nsa.reproduce.job import Job
from nsa.reproduce.results import Result, read_result, result_path
from nsa.runs.farm import Farm
from nsa.runs.workers import last_line
from nsa.system.console import printable


class LiveTable:
    """Categories x systems with the mean image AUROC so far, and a line per running job below.

    Args:
        folder: the results folder.
        jobs: all jobs of the request.
        farm: does them.
    """

    def __init__(self, folder: Path, jobs: Sequence[Job], farm: Farm) -> None:
        self._folder, self._jobs, self._farm = folder, jobs, farm
        self._finished: dict[str, Result] = {}

    def draw(self) -> Group:
        """The state of the folder now."""
        lines = [
            Text(printable(f"{task.name}: {last_line(task.log)}"), overflow="ellipsis",
                 no_wrap=True, style="dim")
            for task in self._farm.running()
        ]  # fmt: skip
        return Group(self._table(), *lines)

    def _table(self) -> RichTable:
        for job in self._jobs:
            path = result_path(self._folder, job)
            if job.name not in self._finished and path.is_file():
                result = read_result(path)
                if result is not None:
                    self._finished[job.name] = result
        systems = list(dict.fromkeys(job.system.name for job in self._jobs))
        title = f"{len(self._finished)} of {len(self._jobs)} jobs finished; image AUROC %"
        table = RichTable(title=title, title_justify="left")
        table.add_column("category")
        for name in systems:
            table.add_column(name, justify="right")
        for category in dict.fromkeys(job.category for job in self._jobs):
            table.add_row(category, *(self._cell(category, name) for name in systems))
        return table

    def _cell(self, category: str, system: str) -> Text:
        jobs = [j for j in self._jobs if (j.category, j.system.name) == (category, system)]
        if not jobs:
            return Text("-", "dim")
        done = [self._finished[job.name] for job in jobs if job.name in self._finished]
        values = [v for v in (result.metric("image_auroc") for result in done) if v is not None]
        cell = Text(f"{100 * sum(values) / len(values):.1f} " if values else "")
        return cell.append(f"{len(done)}/{len(jobs)}", "green" if len(done) == len(jobs) else "dim")
