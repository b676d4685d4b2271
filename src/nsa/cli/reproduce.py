"""The command ``nsa reproduce``."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nsa.cli.options import options_of, with_options
from nsa.errors import InputError
from nsa.reproduce.request import ReproduceRequest
from nsa.settings.options import CLUSTER, Request, option
from nsa.system.console import console, counted

_log = logging.getLogger("nsa")


@dataclass(frozen=True, kw_only=True)
class HowToRun(Request):
    """What decides about the command, not about the jobs."""

    jobs_per_device: int | None = option(
        "Jobs at once on every GPU, or on the CPU. [default: 1]", low=1, high=64
    )
    cluster: str | None = option(CLUSTER)


@with_options(options_of(ReproduceRequest), options_of(HowToRun))
def reproduce_command(**given: Any) -> None:
    """Run a paper's systems over categories and seeds and write our tables beside the paper's.

    Finished jobs are skipped and interrupted ones continue. Another --data-root, such as the X-rays
    of Table 3, may join the same --output.
    """
    from nsa.reproduce.papers import check_tables, find_paper
    from nsa.reproduce.report import FILES, write_report
    from nsa.reproduce.results import check_consistent, read_results
    from nsa.reproduce.runner import check_folder, is_finished, prepare_folder, run_jobs
    from nsa.system.files import make_folder
    from nsa.system.lock import FolderLock

    ranks = os.environ.get("WORLD_SIZE", "1")
    if ranks != "1":
        raise InputError(
            "nsa reproduce is one process, which has workers by --jobs-per-device, or a --cluster; "
            f"start it without torchrun (WORLD_SIZE is {ranks} in the environment)."
        )
    per_device, cluster = given.pop("jobs_per_device", 1), given.pop("cluster", None)
    asked = ReproduceRequest.read(given)
    paper = find_paper(asked.paper)
    folder = asked.output
    if "output" not in given and asked.paper != "nsa":
        folder = Path(f"reproduction-{asked.paper}")
    folder = folder.resolve()
    check_folder(folder)
    request = asked.replace(
        data_root=asked.data_root.resolve(),
        output=folder,
        tables=check_tables(asked.paper, asked.tables if "tables" in given else ("all",)),
        seeds=asked.seeds or paper.seeds,
    )
    jobs = paper.plan(request)
    paper.prepare([job for job in jobs if not is_finished(folder, job)])
    make_folder(folder)
    with FolderLock(folder):
        prepare_folder(folder)
        check_consistent(read_results(folder), jobs)
        _log.info("%s, results go to %s.", counted(len(jobs), "job"), folder)
        failures = run_jobs(jobs, request, per_device, cluster)
        tables = write_report(folder, paper, request.tables, jobs)
    if tables:
        paths = ", ".join(str(folder / name) for name in FILES)
        console.print(f"Wrote {paths}", soft_wrap=True)
    if failures:
        name, reason = next(iter(failures.items()))
        raise InputError(f"{len(failures)} could not be finished, the first is {name}: {reason}")
    if not tables:
        raise InputError(
            f"No table of {', '.join(request.tables)} can be filled: the test sets lack what its "
            "metric needs, such as masks of the defects, or --methods names none of its systems."
        )
