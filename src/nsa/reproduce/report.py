"""From a results folder to its tables and its page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from nsa.files import write_atomically
from nsa.reproduce.formats import latex, markdown, table_csv
from nsa.reproduce.jobs import Job
from nsa.reproduce.page import page
from nsa.reproduce.results import PROTOCOLS, Result, check_consistent, read_results
from nsa.reproduce.statistics import Key, PairedTest, paired_tests
from nsa.reproduce.tables import Table, build_tables

FILES = ("tables.md", "tables.csv", "tables.tex", "index.html")


def write_report(folder: Path, numbers: Sequence[str], jobs: Sequence[Job]) -> list[Table]:
    """Write all tables of the results in ``folder``.

    Whoever finishes a job writes the report, possibly several processes at once. Each looks again
    after writing, so the last one standing has written everything.

    Args:
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
        tables = _write(folder, numbers, jobs)
        if _state(folder) == before:
            return tables


def _write(folder: Path, numbers: Sequence[str], jobs: Sequence[Job]) -> list[Table]:
    results = read_results(folder)
    check_consistent(results, [])
    tables = build_tables(numbers, results)
    if not tables:
        return []
    every = [table for p in PROTOCOLS for table in build_tables(numbers, results, p)]
    tests = {table.spec.name: _tests(table, results) for table in tables}
    about = summary(results, jobs)
    write_atomically(folder / "tables.md", markdown(tables, tests, about))
    write_atomically(folder / "tables.csv", table_csv(every))
    write_atomically(folder / "tables.tex", latex(tables))
    write_atomically(folder / "index.html", page(tables, tests, results, folder / "jobs", about))
    return tables


def summary(results: Sequence[Result], jobs: Sequence[Job]) -> str:
    """One sentence: version, hardware, time, and how much is finished."""
    values = [result.values for result in results]
    machines = sorted({_machine(v) for v in values})
    version = values[0]["nsa_version"]
    commits = sorted({str(v["commit"])[:10] for v in values if v["commit"]})
    hours = sum(v["times"].get("training_seconds", 0.0) for v in values) / 3600
    changed = {name: value for name, value in values[0]["overrides"].items() if name != "epochs"}
    finished = {result.hash for result in results}
    left = sum(job.hash not in finished for job in jobs)
    text = f"{len(results)} trainings with nsa {version}"
    text += f" (commit {', '.join(commits)})" if commits else ""
    text += f" on {', '.join(machines)}, {hours:.1f} hours of training."
    text += f" Settings changed for all of them: {json.dumps(changed)}." if changed else ""
    return text + (f" {left} of {len(jobs)} are still to come." if left else "")


def _machine(values: dict[str, object]) -> str:
    hardware = values["hardware"]
    assert isinstance(hardware, dict)
    if values.get("device") == "cuda" and hardware["gpus"]:
        return str(hardware["gpus"][0])
    return f"{hardware['processor']} ({hardware['threads']} threads)"


def _tests(table: Table, results: Sequence[Result]) -> list[PairedTest]:
    """Paired tests over the categories of a table, in percent."""
    rows = {row.name for row in table.rows if not row.is_average}
    values: dict[str, dict[Key, float]] = {name: {} for name in table.columns}
    for result in results:
        value = result.metric(table.spec.metric, table.protocol)
        if result.system in values and result.category in rows and value is not None:
            values[result.system][result.category, result.seed] = 100 * value
    return paired_tests({name: column for name, column in values.items() if column})


def _state(folder: Path) -> set[tuple[str, int]]:
    return {(path.name, path.stat().st_mtime_ns) for path in (folder / "jobs").glob("*.json")}
