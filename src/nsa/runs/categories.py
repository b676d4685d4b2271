"""Train several categories, so many at once on every device: ``nsa train --category all``.

Every category is a run of its own, in a process of its own, the same as ``nsa train`` makes alone.
Beside them the results folder holds ``categories.yaml``, what was asked for; a log per category;
and at the end ``summary.csv``, the scores of all.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from nsa.detectors.registry import find_method, read_request
from nsa.errors import InputError
from nsa.folder import RunLock, make_output
from nsa.images import list_categories, open_dataset
from nsa.report.tables import categories_table
from nsa.runs.train import resume, train
from nsa.settings.options import TrainRequest
from nsa.system.console import LiveView, console
from nsa.system.device import choose_device, use_own_gpu
from nsa.system.files import read_yaml, to_yaml, write_atomically, write_csv
from nsa.system.interrupt import Interrupted
from nsa.system.processes import Worker, count_devices, exit_status, last_lines, run_workers
from nsa.training.distributed import ALONE, Ranks

_log = logging.getLogger("nsa")

ALL = "all"
_FILE = "categories.yaml"
_CHANGEABLE = ("data_root", "device")  # when the trainings continue


@dataclass(frozen=True)
class Scores:
    """How a category ended.

    Attributes:
        metrics: what its ``metrics.json`` holds; None: it has not finished.
        failure: why not, if there is a reason.
    """

    metrics: dict[str, Any] | None
    failure: str | None = None


@dataclass
class Categories:
    """Trainings of several categories and their results folder.

    Attributes:
        folder: holds a run folder per category.
        names: the categories.
        options: of :func:`nsa.runs.train.train`, for every category; plain values.
        per_device: trainings at once on every GPU, or on the CPU.
    """

    folder: Path
    names: list[str]
    options: dict[str, Any]
    per_device: int = 1

    def train(self, per_device: int | None = None) -> None:
        """Train, or continue, what is not finished yet, and print the scores of all.

        Args:
            per_device: instead of what was asked for before.

        Raises:
            InputError: some categories failed; the others have finished.
            Interrupted: a signal came; every training is saved.
        """
        self.per_device = per_device or self.per_device
        with RunLock(self.folder):
            values = dataclasses.asdict(self)
            del values["folder"]
            write_atomically(self.folder / _FILE, to_yaml(values))
            _report(self.folder, self.names, self._run())

    def _run(self) -> dict[str, Worker]:
        left = [name for name in self.names if _metrics(self.folder / name) is None]
        workers = {
            name: Worker(name, _arguments(self.folder, name), self.folder / f"{name}.log")
            for name in left
        }
        if left:
            devices = count_devices(self.options.get("device", "auto"))
            at_once = min(len(left), devices * self.per_device)
            _log.info("%d categories, %d at once, into %s.", len(left), at_once, self.folder)
            view = LiveView(lambda: state_table(self.folder, self.names, workers))
            try:
                with view:
                    run_workers(list(workers.values()), at_once, devices, _watch(workers, view))
            except Interrupted:
                raise Interrupted(
                    f"Stopped and saved; continue with: nsa train --resume {self.folder}"
                ) from None
        return workers


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
    root = request.data_root.resolve()
    choose_device(request.device or "auto")  # a mistake should leave nothing behind
    folder = make_output(request.output, root.name)
    if any(folder.iterdir()):
        raise InputError(
            f"The folder {folder} is not empty; choose another --output, or continue what is in it "
            f"with --resume {folder}."
        )
    shared = request.replace(data_root=root, category=None, output=None)
    return Categories(folder, names, shared.given())


def _open(folder: Path, request: TrainRequest) -> Categories:
    try:
        found = Categories(folder, **read_yaml(folder / _FILE))
    except TypeError as error:
        raise InputError(f"{folder / _FILE} is damaged; choose a new --output.") from error
    for name, value in request.given().items():
        if name not in _CHANGEABLE:
            raise InputError(
                f"--{name.replace('_', '-')} cannot change in trainings that have begun; leave it "
                "out or choose a new --output."
            )
        found.options[name] = str(Path(value).resolve()) if name == "data_root" else value
    return found


def _arguments(folder: Path, name: str) -> list[str]:
    return ["-m", "nsa.runs.categories", str(folder), name]


def _watch(workers: Mapping[str, Worker], view: LiveView) -> Callable[[], None]:
    told: dict[str, str] = {}

    def look() -> None:
        view.update()
        for name, worker in workers.items():
            state = _state(worker)
            if told.get(name, "waits") != state and not console.is_terminal:
                _log.info("%s %s.", name, state)
            told[name] = state

    return look


def _state(worker: Worker) -> str:
    if worker.status is None:
        return "waits" if worker.process is None else "trains"
    return "failed" if worker.status else "is finished"


def state_table(folder: Path, names: Sequence[str], workers: Mapping[str, Worker]) -> Table:
    """What a person sees while the trainings run."""
    finished = {name: metrics for name in names if (metrics := _metrics(folder / name))}
    table = Table(
        title=f"{len(finished)} of {len(names)} categories finished", title_justify="left"
    )
    table.add_column("category")
    table.add_column("image AUROC %", justify="right")
    # As long as a log line, it would squeeze the others to nothing.
    rest = console.width - max(map(len, (*names, "category"))) - len("image AUROC %") - 10
    table.add_column("now", no_wrap=True, overflow="ellipsis", max_width=max(10, rest))
    for name in names:
        auroc = finished.get(name, {}).get("image_auroc")
        state, worker = "", workers.get(name)
        if worker is not None and name not in finished:
            said = last_lines(worker.log, 1) if worker.process is not None else []
            state = said[-1] if said else _state(worker)
        table.add_row(name, "" if auroc is None else f"{100 * auroc:.1f}", state)
    return table


def _metrics(run: Path) -> dict[str, Any] | None:
    """The scores of a run, if it has finished: they are written last, then the checkpoint goes."""
    path = run / "metrics.json"
    if not path.is_file() or (run / "checkpoint.safetensors").is_file():
        return None
    values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return values


def _report(folder: Path, names: Sequence[str], workers: Mapping[str, Worker]) -> None:
    results = {}
    for name in names:
        worker = workers.get(name)
        results[name] = Scores(_metrics(folder / name), worker.failure() if worker else None)
    write_csv(
        folder / "summary.csv",
        ["category", *_COLUMNS, *_TIMES, "failure"],
        [_line(name, one) for name, one in results.items()],
    )
    finished = {name: one.metrics for name, one in results.items() if one.metrics is not None}
    if finished:
        from rich.console import Console

        Console().print(categories_table(finished))
    missing = [name for name in names if name not in finished]
    if missing:
        reasons = "; ".join(f"{name}: {results[name].failure}" for name in missing)
        raise InputError(
            f"{len(missing)} of {len(names)} categories failed, mend the cause and continue with "
            f"--resume {folder}. {reasons}"
        )


_COLUMNS = (
    "image_auroc", "pixel_auroc", "au_pro", "image_average_precision", "image_f1_max",
    "pixel_average_precision",
)  # fmt: skip
_TIMES = ("training_seconds", "images_per_second", "evaluation_seconds")


def _line(name: str, one: Scores) -> list[Any]:
    """Of a category in the table: scores as fractions, times, and why it has none."""
    metrics = one.metrics or {}
    times = metrics.get("times", {})
    values = [metrics.get(key) for key in _COLUMNS] + [times.get(key) for key in _TIMES]
    return [name, *values, one.failure if one.metrics is None else ""]


def _train_one(folder: Path, name: str) -> None:
    """What the process of a category does: train, or continue the training of, one run."""
    options = read_yaml(folder / _FILE)["options"]
    run, request = folder / name, read_request({**options, "category": name})
    use_own_gpu()
    if find_method(request.method).find_begun(run) is not None:
        resume(run, read_request({key: options[key] for key in _CHANGEABLE if key in options}))
        return
    if run.exists():  # stopped before it had begun, or damaged
        shutil.rmtree(run)
    train(request.replace(output=run))


if __name__ == "__main__":
    raise SystemExit(exit_status(lambda: _train_one(Path(sys.argv[1]), sys.argv[2])))
