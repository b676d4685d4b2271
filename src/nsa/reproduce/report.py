"""From a results folder to its tables and its page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from nsa.reproduce.cells import Table
from nsa.reproduce.formats import CSV_COLUMNS, csv_rows, latex, markdown
from nsa.reproduce.job import Job
from nsa.reproduce.page import page
from nsa.reproduce.papers import Paper
from nsa.reproduce.results import Result, check_consistent, read_results
from nsa.system.console import counted, duration
from nsa.system.files import write_atomically, write_csv

FILES = ("tables.md", "tables.csv", "tables.tex", "index.html")


def write_report(
    folder: Path, paper: Paper, numbers: Sequence[str], jobs: Sequence[Job]
) -> list[Table]:
    """Write all tables of the results in ``folder``.

    Whoever finishes a job writes the report, possibly several processes at once. Each looks again
    after writing, so the last one standing has written everything.

    Args:
        paper: whose tables.
        numbers: of the paper's tables.
        jobs: of the request, to say how many are finished.

    Returns:
        The tables in the paper's protocol; empty, and nothing is written, without a result for any.

    Raises:
        InputError: results contradict each other or come from another version, or a file cannot be
            written.
    """
    while True:
        before = _state(folder)
        tables = _write(folder, paper, numbers, jobs)
        if _state(folder) == before:
            return tables


def _write(folder: Path, paper: Paper, numbers: Sequence[str], jobs: Sequence[Job]) -> list[Table]:
    results = read_results(folder)
    check_consistent(results, [])
    tables = paper.build(numbers, results)
    if not tables.shown:
        return []
    about = summary(results, jobs, paper.work)
    write_atomically(folder / "tables.md", markdown(tables, paper, about))
    rows = csv_rows([*tables.shown, *tables.further])
    write_csv(folder / "tables.csv", CSV_COLUMNS, rows)
    write_atomically(folder / "tables.tex", latex(tables.shown, paper))
    write_atomically(folder / "index.html", page(tables, paper, results, folder / "jobs", about))
    return tables.shown


def summary(results: Sequence[Result], jobs: Sequence[Job], work: str) -> str:
    """One sentence: version, hardware, time, and how much is finished."""
    values = [result.values for result in results]
    machines = sorted({_machine(v) for v in values})
    version = values[0]["nsa_version"]
    commits = sorted({str(v["commit"])[:10] for v in values if v["commit"]})
    seconds = sum(v["times"].get("training_seconds", 0.0) for v in values)
    told = ("epochs", "weights")  # by every table
    changed = {name: value for name, value in values[0]["overrides"].items() if name not in told}
    finished = {result.hash for result in results}
    left = sum(job.hash not in finished for job in jobs)
    text = f"{len(results)} {work if len(results) > 1 else work[:-1]} with nsa {version}"
    text += f" (commit {', '.join(commits)})" if commits else ""
    text += f" on {', '.join(machines)}, {duration(seconds)} of work."
    text += f" Settings changed for all of them: {json.dumps(changed)}." if changed else ""
    return text + (f" {left} of {len(jobs)} are still to come." if left else "")


def _machine(values: dict[str, object]) -> str:
    hardware = values["hardware"]
    assert isinstance(hardware, dict)
    if values.get("device") == "cuda" and hardware["gpus"]:
        return str(hardware["gpus"][0])
    count = int(hardware["threads"])
    return f"{hardware['processor']} ({counted(count, 'thread')})"


def _state(folder: Path) -> set[tuple[str, int]]:
    return {(path.name, path.stat().st_mtime_ns) for path in (folder / "jobs").glob("*.json")}
