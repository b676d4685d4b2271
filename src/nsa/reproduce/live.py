"""What a person sees while jobs run: what is finished, and where every worker is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Group
from rich.table import Table as RichTable
from rich.text import Text

from nsa.reproduce.job import Job
from nsa.reproduce.results import Result, read_result, result_path
from nsa.system.console import LiveView
from nsa.system.processes import Worker, last_lines


class LiveTable:
    """Categories x systems with the mean image AUROC so far, and a line per worker below.

    Args:
        folder: the results folder.
        jobs: all jobs of the request.
    """

    def __init__(self, folder: Path, jobs: Sequence[Job]) -> None:
        self._folder, self._jobs = folder, jobs
        self._finished: dict[str, Result] = {}
        self._workers: Sequence[Worker] = ()
        self._view = LiveView(self._draw)

    def __enter__(self) -> LiveTable:
        self._view.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._view.__exit__()

    def update(self, workers: Sequence[Worker]) -> None:
        """Look at the folder and draw anew; only a terminal shows anything."""
        self._workers = workers
        self._view.update()

    def _draw(self) -> Group:
        lines = [
            Text(f"{worker.name}: {' '.join(last_lines(worker.log, 1))}", overflow="ellipsis",
                 no_wrap=True, style="dim")
            for worker in self._workers
        ]  # fmt: skip
        return Group(self.table(), *lines)

    def table(self) -> RichTable:
        """The state of the folder."""
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
