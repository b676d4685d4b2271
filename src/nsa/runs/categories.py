"""Train several categories, so many at once on every device: ``nsa train --category all``.

Every category is a run of its own, the same as ``nsa train`` makes alone, by a worker of a farm.
Beside them the results folder holds ``categories.yaml``, what was asked for; a log per category;
and at the end ``summary.csv``, the scores of all.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from nsa.detectors.registry import read_request
from nsa.errors import InputError
from nsa.folder import Metrics, changing, make_output
from nsa.images import list_categories, open_dataset
from nsa.report.tables import categories_table
from nsa.runs.farm import RUNS, Farm
from nsa.runs.train import train_or_resume
from nsa.runs.workers import count_devices, last_line
from nsa.settings.fields import Checked, check_number, from_dict, reading
from nsa.settings.options import TrainRequest
from nsa.system.console import as_argument, console, standard_output
from nsa.system.device import choose_device
from nsa.system.files import to_yaml, write_atomically, write_csv
from nsa.system.lock import FolderLock, is_unused
from nsa.system.readers import read_yaml
from nsa.training.distributed import ALONE, Ranks

_log = logging.getLogger("nsa")

ALL = "all"
_FILE = "categories.yaml"
_CHANGEABLE = ("data_root", "device")  # when the trainings continue


@dataclass(frozen=True)
class Category:
    """The training of one category, a task of a farm.

    Attributes:
        results: the folder that holds the run folder.
        name: of the category and of the run folder.
        request: what its training is asked for.
    """

    results: Path
    name: str
    request: TrainRequest

    @property
    def log(self) -> Path:
        return self.results / f"{self.name}.log"

    def metrics(self) -> dict[str, Any] | None:
        """The scores if it has finished: they are written last, then the checkpoint goes."""
        run = self.results / self.name
        if not (run / "metrics.json").is_file() or (run / "checkpoint.safetensors").is_file():
            return None
        try:
            return dataclasses.asdict(Metrics.read(run))
        except InputError:  # it is judged again, whose log says why
            return None

    def is_finished(self) -> bool:
        return self.metrics() is not None

    def run(self) -> None:
        """Train, or continue the training.

        Raises:
            InputError: it cannot be done.
            Interrupted: a signal stopped it; its state is saved.
        """
        train_or_resume(self.request.replace(output=self.results / self.name))


@dataclass
class Categories(Checked):
    """Trainings of several categories and their results folder.

    Attributes:
        folder: holds a run folder per category.
        names: the categories.
        options: of every category's training; plain values.
        per_device: trainings at once on every GPU, or on the CPU.
    """

    folder: Path
    names: list[str]
    options: dict[str, Any]
    per_device: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number(self, "per_device", 1, 64)

    def tasks(self) -> list[Category]:
        """One a category."""
        try:
            return [
                Category(self.folder, name, read_request({**self.options, "category": name}))
                for name in self.names
            ]
        except InputError as error:
            raise InputError(f"{self.folder / _FILE} is damaged: {error}") from error

    def train(self, per_device: int | None = None) -> None:
        """Train, or continue, what is not finished yet, and print the scores of all.

        Args:
            per_device: instead of what was asked for before.

        Raises:
            InputError: some categories failed; the others have finished.
            Interrupted: a signal came; every training is saved.
        """
        self.per_device = per_device or self.per_device
        with FolderLock(self.folder), changing(self.folder):
            values = dataclasses.asdict(self)
            del values["folder"]
            write_atomically(self.folder / _FILE, to_yaml(values))
            tasks = self.tasks()
            farm = Farm(tasks, f"continue with: nsa train --resume {as_argument(self.folder)}")
            if farm.left():
                devices = count_devices(self.options.get("device", "auto"))
                at_once = min(farm.left(), devices * self.per_device)
                _log.info("%d categories, %d at once, into %s.", farm.left(), at_once, self.folder)
                farm.spread(at_once, devices, lambda: state_table(tasks, farm.states))
            _report(self.folder, tasks, farm.failures)


def find(request: TrainRequest, resumed: Path | None, ranks: Ranks = ALONE) -> Categories | None:
    """What ``nsa train`` is asked for, if that is several categories.

    Args:
        request: its ``category`` may be ``"all"``, or names by commas; ``output`` is the results
            folder, by default ``runs/<data root>-<number>``.
        resumed: the folder to continue.

    Raises:
        InputError: a category does not exist, the folder cannot be used, or an option contradicts
            what is to be continued.
    """
    names: list[str] = []
    if resumed is None:
        names = _names(request.category or "", request.data_root)
        if not names:
            return None
    elif not (resumed / _FILE).is_file():
        return None
    if ranks.count > 1:
        raise InputError(
            "torchrun trains one category on several devices; leave it out to train several "
            "categories, with --jobs-per-device at once on every device."
        )
    return _create(request, names) if resumed is None else _open(resumed, request)


def _names(text: str, root: str | Path | None) -> list[str]:
    """The categories of a data root that are meant, where that is not just one."""
    if root is None or (text != ALL and "," not in text):
        return []
    known = list_categories(root)
    if text in known:  # a folder may be called that
        return []
    if text == ALL:
        if not known:
            open_dataset(root)  # says what is missing
        return known
    names = list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    for name in names:
        open_dataset(root, name)
    return names


def _create(request: TrainRequest, names: list[str]) -> Categories:
    assert request.data_root is not None  # or there would be no names
    if request.normal_dir is not None:
        open_dataset(request.data_root, names[0], request.normal_dir)  # refuses both
    root = request.data_root.resolve()
    choose_device(request.device or "auto")  # a mistake should leave nothing behind
    folder = make_output(request.output, root.name)
    if not is_unused(folder):
        raise InputError(
            f"The folder {folder} is not empty; choose another --output, or --resume "
            f"{as_argument(folder)} to continue what is in it."
        )
    shared = request.replace(data_root=root, category=None, output=None)
    return Categories(folder, names, shared.given())


def _open(folder: Path, request: TrainRequest) -> Categories:
    path = folder / _FILE
    with reading(path, "choose a new --output"):
        found = from_dict(Categories, {**read_yaml(path), "folder": folder})
    for name, value in request.given().items():
        if name not in _CHANGEABLE:
            raise InputError(
                f"--{name.replace('_', '-')} cannot change in trainings that have begun; leave it "
                "out or choose a new --output."
            )
        found.options[name] = value
    return found


def state_table(tasks: Sequence[Category], states: Mapping[str, str]) -> Table:
    """What a person sees while the trainings run.

    Args:
        states: of the tasks by name, as a farm has them.
    """
    finished = {task.name: metrics for task in tasks if (metrics := task.metrics()) is not None}
    table = Table(
        title=f"{len(finished)} of {len(tasks)} categories finished", title_justify="left"
    )
    table.add_column("category")
    table.add_column("image AUROC %", justify="right")
    # As long as a log line, it would squeeze the others to nothing.
    names = [task.name for task in tasks]
    rest = console.width - max(map(len, (*names, "category"))) - len("image AUROC %") - 10
    table.add_column("now", no_wrap=True, overflow="ellipsis", max_width=max(10, rest))
    for task in tasks:
        auroc = finished.get(task.name, {}).get("image_auroc")
        state = "" if task.name in finished else states[task.name]
        said = last_line(task.log) if state == RUNS else ""
        table.add_row(task.name, "" if auroc is None else f"{100 * auroc:.1f}", said or state)
    return table


def _report(folder: Path, tasks: Sequence[Category], failures: Mapping[str, str]) -> None:
    """Write ``summary.csv`` and print the scores of what has finished.

    Raises:
        InputError: some have not.
    """
    results = {task.name: task.metrics() for task in tasks}
    lines = [_line(name, metrics, failures.get(name)) for name, metrics in results.items()]
    write_csv(folder / "summary.csv", ("category", *_COLUMNS, *_TIMES, "failure"), lines)
    finished = {name: metrics for name, metrics in results.items() if metrics is not None}
    if finished:
        standard_output.print(categories_table(finished))
    missing = [name for name in results if name not in finished]
    if missing:
        reasons = "; ".join(f"{name}: {failures.get(name)}" for name in missing)
        raise InputError(
            f"{len(missing)} of {len(results)} categories failed; mend the cause, and --resume "
            f"{as_argument(folder)} tries them again. {reasons}"
        )


_COLUMNS = (
    "image_auroc", "pixel_auroc", "au_pro", "au_pro_05", "image_average_precision", "image_f1_max",
    "pixel_average_precision", "pixel_f1_max",
)  # fmt: skip
_TIMES = ("training_seconds", "images_per_second", "evaluation_seconds")


def _line(name: str, metrics: dict[str, Any] | None, failure: str | None) -> list[Any]:
    """Of a category in the table: scores as fractions, times, and why it has none."""
    found = metrics or {}
    times = found.get("times", {})
    values = [found.get(key) for key in _COLUMNS] + [times.get(key) for key in _TIMES]
    return [name, *values, failure if metrics is None else ""]
