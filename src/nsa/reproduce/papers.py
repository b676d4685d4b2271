"""The papers whose tables ``nsa reproduce`` fills; all else is the same for every one of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from nsa.errors import InputError
from nsa.reproduce.cells import Tables
from nsa.reproduce.gaussian import jobs as gaussian_jobs
from nsa.reproduce.gaussian import systems as gaussian_systems
from nsa.reproduce.gaussian import tables as gaussian_tables
from nsa.reproduce.job import Job
from nsa.reproduce.nsa import tables as nsa_tables
from nsa.reproduce.nsa.jobs import plan_jobs
from nsa.reproduce.nsa.systems import SYSTEMS
from nsa.reproduce.request import ReproduceRequest
from nsa.reproduce.results import Result


@dataclass(frozen=True)
class Paper:
    """A paper with tables to fill.

    Attributes:
        title: heading of its report.
        work: what its jobs are called, in the plural.
        shortened: what to say of tables with shortened work behind them.
        tables: their numbers, as the paper prints them.
        seeds: of its jobs, unless the user says otherwise.
        systems: name -> title; the order decides the colours of curves.
        preferred: the system whose cases are shown.
        plan: from a request to its jobs.
        prepare: called once before jobs run, so that what is missing for all of them is said once.
        build: from numbers of tables and results to the tables that have a result.
    """

    title: str
    work: str
    shortened: str
    tables: tuple[str, ...]
    seeds: tuple[int, ...]
    systems: Mapping[str, str]
    preferred: str
    plan: Callable[[ReproduceRequest], Sequence[Job]]
    prepare: Callable[[Sequence[Job]], None]
    build: Callable[[Sequence[str], Sequence[Result]], Tables]


PAPERS: dict[str, Paper] = {
    "nsa": Paper(
        title="Reproduction of the NSA paper's tables",
        work="trainings",
        shortened=(
            "Shortened runs: fewer epochs than the paper's schedule, so lower figures are expected."
        ),
        tables=tuple(nsa_tables.TABLES),
        seeds=(0, 1, 2, 3, 4),
        systems={name: system.title for name, system in SYSTEMS.items()},
        preferred="nsa_logistic",
        plan=plan_jobs,
        prepare=lambda jobs: None,  # noqa: ARG005
        build=nsa_tables.build,
    ),
    "gaussian": Paper(
        title="Reproduction of the tables of Rippel et al. (ICPR 2020)",
        work="jobs",
        shortened=(
            "Shortened runs: fewer epochs or augmented passes than usual, so lower figures are "
            "expected."
        ),
        tables=gaussian_tables.TABLES,
        seeds=(0,),  # the folds are the repetition
        systems={name: system.title for name, system in gaussian_systems.SYSTEMS.items()},
        preferred="efficientnet_b4",
        plan=gaussian_jobs.plan_jobs,
        prepare=gaussian_jobs.prepare,
        build=gaussian_tables.build,
    ),
}


def find_paper(name: str) -> Paper:
    """The paper called ``name``.

    Raises:
        InputError: there is no such paper.
    """
    if name not in PAPERS:
        raise InputError(f"--paper must be {' or '.join(PAPERS)}, got {name!r}.")
    return PAPERS[name]


def check_tables(name: str, numbers: Sequence[str]) -> tuple[str, ...]:
    """Numbers of a paper's tables, ``all`` spelt out.

    Raises:
        InputError: one is not among them; if another paper has it, that is said.
    """
    known = find_paper(name).tables
    if not numbers:
        raise InputError(f"--table names no table; there are {', '.join(known)}, or all.")
    if tuple(numbers) == ("all",):
        return known
    for number in numbers:
        if number not in known:
            other = [key for key, paper in PAPERS.items() if number in paper.tables]
            hint = f"; it is one of --paper {other[0]}" if other else ""
            raise InputError(
                f"--table must be among {', '.join(known)} or all, got {number!r}{hint}."
            )
    return tuple(numbers)
