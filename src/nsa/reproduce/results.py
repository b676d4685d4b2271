"""Results of finished jobs: written, read back, and checked for belonging together."""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from nsa.errors import InputError, shown
from nsa.reproduce.job import Job
from nsa.settings.fields import Checked, convert, from_dict
from nsa.system.files import write_atomically
from nsa.system.info import hardware, versions
from nsa.system.readers import read_json

_log = logging.getLogger("nsa")

FORMAT_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class _Content(Checked):
    """What is read of a job's file, see :func:`write_result`."""

    paper: str
    system: str
    category: str
    seed: int
    hash: str
    epochs: int
    preset_epochs: int
    shortened: bool
    precision: str
    overrides: dict[str, Any]
    metrics: dict[str, dict[str, Any]]
    times: dict[str, float | None]
    curves: dict[str, Any]
    cases: list[Any]
    settings: dict[str, Any]

    def __post_init__(self) -> None:
        super().__post_init__()
        paper = self.metrics.get("paper")
        convert("metrics of the paper", paper, dict[str, float | None])


@dataclass(frozen=True)
class Result:
    """What one finished job says.

    Attributes:
        system, category, seed, hash: which job it is.
        values: everything in its JSON file.
    """

    system: str
    category: str
    seed: int
    hash: str
    values: dict[str, Any]

    @property
    def epochs(self) -> int:
        return int(self.values["epochs"])

    @property
    def preset_epochs(self) -> int:
        return int(self.values["preset_epochs"])

    @property
    def shortened(self) -> bool:
        return bool(self.values["shortened"])

    def metric(self, name: str, protocol: str = "paper") -> float | None:
        """A metric as a fraction; None where the test set does not allow it."""
        value = self.values["metrics"].get(protocol, {}).get(name)
        return None if value is None else float(value)


def result_path(folder: Path, job: Job) -> Path:
    return folder / "jobs" / f"{job.name}.json"


def log_path(folder: Path, name: str) -> Path:
    """Where a job, or a part of one, prints to that a worker does; by its name."""
    return folder / "logs" / f"{name}.log"


def write_result(folder: Path, job: Job, outcome: dict[str, Any]) -> None:
    """Write the file that makes a job count as finished.

    Args:
        folder: the results folder.
        outcome: ``metrics`` by protocol (``"paper"`` at least), ``not_computed``, ``test_images``,
            ``times``, ``device``, ``curves`` and ``cases``.

    Raises:
        InputError: it cannot be written.
    """
    values = {
        "format_version": FORMAT_VERSION,
        "nsa_version": version("nsa"),
        "commit": _commit(),
        "paper": job.paper,
        "system": job.system.name,
        "category": job.category,
        "seed": job.seed,
        "hash": job.hash,
        "epochs": job.epochs,
        "preset_epochs": job.preset_epochs,
        "shortened": job.epochs < job.preset_epochs,
        "precision": job.precision,
        "overrides": job.overrides,
        **outcome,
        "settings": job.settings_dict(),
        "hardware": hardware(),
        "versions": versions(),
    }
    write_atomically(result_path(folder, job), json.dumps(values, indent=1) + "\n")


def read_result(path: Path) -> Result | None:
    """Read a finished job; None, and a line in the log, where its file is damaged.

    Raises:
        InputError: it was written by another version of this package.
    """
    try:
        values = read_json(path)
        values.setdefault("paper", "nsa")  # written before there was another one
    except InputError as error:
        _log.warning("%s That job runs again.", error)
        return None
    written_by, form = values.get("nsa_version"), values.get("format_version")
    named = isinstance(written_by, str) and isinstance(form, int)
    if named and (form, written_by) != (FORMAT_VERSION, version("nsa")):
        raise InputError(
            f"{path} was written by nsa {shown(written_by)} in format {shown(form)}, but this is "
            f"nsa {version('nsa')} in format {FORMAT_VERSION}: results of different versions are "
            "not mixed. Use another --output, or install that version."
        )
    known = [field.name for field in fields(_Content)]
    try:
        content = from_dict(_Content, {name: values[name] for name in known if name in values})
    except InputError as error:
        _log.warning("%s is damaged: %s That job runs again.", path, error)
        return None
    if not named or not path.stem.endswith(f"-{content.hash}"):
        _log.warning("%s is damaged; that job runs again.", path)
        return None
    return Result(content.system, content.category, content.seed, content.hash, values)


def read_results(folder: Path) -> list[Result]:
    """All finished jobs of a results folder, in the order of their names.

    Raises:
        InputError: one was written by another version of this package.
    """
    found = (read_result(path) for path in sorted((folder / "jobs").glob("*.json")))
    return [result for result in found if result is not None]


def check_consistent(results: Sequence[Result], jobs: Sequence[Job]) -> None:
    """Refuse to put different configurations into one table.

    Results, and the jobs still to do, must share what the user changed for all of them and their
    precision; and those of one system and category must differ in nothing but their seed.

    Raises:
        InputError: two of them differ; the message shows in what.
    """
    entries = [(_label(r), _configuration(r.values)) for r in results]
    for job in jobs:
        values = {"paper": job.paper, "overrides": job.overrides, "precision": job.precision,
                  "settings": job.settings_dict(), "system": job.system.name}  # fmt: skip
        entries.append((f"{job.name} (asked for now)", _configuration(values)))
    first_of_all: tuple[str, dict[str, Any]] | None = None
    first_of_group: dict[str, tuple[str, dict[str, Any]]] = {}
    for name, (group, shared, settings) in entries:
        first_of_all = first_of_all or (name, shared)
        _same(name, shared, *first_of_all)
        _same(name, settings, *first_of_group.setdefault(group, (name, settings)))


def _configuration(values: dict[str, Any]) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """Group of a job, what all jobs must share, and what its group must share; flat and plain."""
    plain = json.loads(json.dumps(values))  # tuples of a job and lists of a file are the same
    settings = _flat(plain["settings"])
    settings.pop("training.seed")
    shared = {"paper": plain["paper"], "precision": plain["precision"]}
    shared |= _flat(plain["overrides"])
    return f"{plain['system']}-{settings['category']}", shared, settings


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat.update(_flat(value, f"{prefix}{name}."))
        else:
            flat[prefix + name] = value
    return flat


def _same(name: str, own: dict[str, Any], other: str, theirs: dict[str, Any]) -> None:
    names = [key for key in {**theirs, **own} if own.get(key, ...) != theirs.get(key, ...)]
    if names:
        listed = "; ".join(f"{k}: {_show(theirs, k)} there, {_show(own, k)} here" for k in names)
        raise InputError(
            f"One table cannot mix configurations: {name} differs from {other} ({listed}). Use "
            "another --output for the one or the other."
        )


def _show(values: dict[str, Any], name: str) -> str:
    return repr(values[name]) if name in values else "the preset's"


def _label(result: Result) -> str:
    return f"{result.category}-{result.system}-seed{result.seed}-{result.hash}"


@cache
def _commit() -> str | None:
    """The commit this package runs from, with ``+`` where files have changed; None elsewhere."""
    here, git = Path(__file__).parent, shutil.which("git")
    if git is None:
        return None

    def ask(*arguments: str) -> str | None:
        done = subprocess.run(
            [git, "-C", str(here), *arguments], capture_output=True, text=True, check=False
        )
        return done.stdout.strip() if done.returncode == 0 else None

    # Installed below some other project's checkout, the package is no part of it.
    if not ask("ls-files", "--", Path(__file__).name):
        return None
    commit = ask("rev-parse", "HEAD")
    return None if commit is None else commit + ("+" if ask("status", "--porcelain", ".") else "")
