"""The trainings that a call of ``nsa train`` means, where they are several: begun or continued."""

from __future__ import annotations

import dataclasses
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nsa.detectors.registry import read_request
from nsa.errors import InputError
from nsa.folder import changing, make_output
from nsa.images import list_categories, open_dataset
from nsa.jobs.choose import needs_of_training, open_executor
from nsa.jobs.execute import execute
from nsa.jobs.job import Needs
from nsa.runs.several.job import Training
from nsa.runs.several.needed import needed_by
from nsa.runs.several.results import StateTable, report
from nsa.settings.fields import Checked, check_number, from_dict, reading
from nsa.settings.options import TrainRequest
from nsa.system.console import as_argument, counted
from nsa.system.device import choose_device
from nsa.system.files import to_yaml, write_atomically
from nsa.system.lock import FolderLock, is_unused
from nsa.system.places import url_of
from nsa.system.readers import read_yaml
from nsa.system.urls import exists, joined
from nsa.training.distributed import ALONE, Ranks

_log = logging.getLogger("nsa")

ALL = "all"
_FILE = "categories.yaml"
_WHERE = ("device",)
_CHANGEABLE = ("data_root", *_WHERE)  # when the trainings continue


@dataclass
class Trainings(Checked):
    """Several trainings and their results folder.

    Attributes:
        folder: holds a run folder for each of them.
        names: the categories.
        options: of every training; plain values.
        per_device: trainings at once on every GPU, or on the CPU.
        seeds: with each of which every category is trained; empty: once, with the options' own.
    """

    folder: Path
    names: list[str]
    options: dict[str, Any]
    per_device: int = 1
    seeds: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number(self, "per_device", 1, 64)

    def jobs(self, needs: Needs | None = None) -> list[Training]:
        """One a category and seed, first seeds first, so that the categories go on evenly.

        Args:
            needs: of each of them; None: nobody asks.
        """
        seeds: list[int | None] = [*self.seeds] or [None]
        needs = needs or Needs()
        try:
            return [
                Training(self.folder, name, seed, self._request(name, seed), needs)
                for seed in seeds
                for name in self.names
            ]
        except InputError as error:
            raise InputError(f"{self.folder / _FILE} is damaged: {error}") from error

    def _request(self, name: str, seed: int | None) -> TrainRequest:
        own = {"category": name} if seed is None else {"category": name, "seed": seed}
        return read_request({**self.options, **own})

    def differ_in(self, others: Trainings) -> str | None:
        """What others have otherwise, but for where they are trained; None: nothing."""
        if sorted(self.names) != sorted(others.names):
            return "categories"
        if sorted(self.seeds) != sorted(others.seeds):
            return "seeds"
        for name in [*self.options, *others.options]:
            if name not in _WHERE and self.options.get(name) != others.options.get(name):
                return name
        return None

    def train(self, per_device: int | None = None, cluster: str | None = None) -> None:
        """Train, or continue, what is not finished yet, and print the scores of all.

        Args:
            per_device: instead of what was asked for before.
            cluster: see :func:`nsa.jobs.choose.open_executor`.

        Raises:
            InputError: some trainings failed; the others have finished.
            Interrupted: a signal came; every training is saved.
        """
        self.per_device = per_device or self.per_device
        device = self.options.get("device", "auto")
        # The lock removes a folder that is still empty.
        with FolderLock(self.folder), changing(self.folder):
            jobs = self.jobs(needs_of_training(device, self.per_device, cluster))
            left = sum(not job.is_finished() for job in jobs)
            executor = None
            if left:
                executor = open_executor(
                    cluster, device, self.per_device, left, results=self.folder,
                    data=needed_by(jobs[0].request),
                )  # fmt: skip
            values = dataclasses.asdict(self)
            del values["folder"]
            write_atomically(self.folder / _FILE, to_yaml(values))
            failures: dict[str, str] = {}
            if executor is None:
                all_are = f"All {len(jobs)} trainings are" if len(jobs) > 1 else "The training is"
                _log.info("%s finished; results in %s.", all_are, self.folder)
            else:
                every = counted(len(jobs), "training")
                _log.info("%d of %s, into %s.", left, every, self.folder)
                further = f"continue with: nsa train --resume {as_argument(self.folder)}"
                draw = StateTable(jobs).draw  # report() has all of it in the end
                failures = execute(jobs, executor, draw, further, lasting=False)
            report(self.folder, jobs, failures)


def have_begun(folder: Path) -> bool:
    """Whether the URL of a folder, if it has one, holds several trainings.

    Raises:
        InputError: the store cannot be reached or refuses.
    """
    url = url_of(folder)
    # That of the folder first, so that a store which refuses is named by it.
    return url is not None and exists(url, "write") and exists(joined(url, _FILE), "write")


def find(
    request: TrainRequest,
    resumed: Path | None,
    seeds: tuple[int, ...] = (),
    ranks: Ranks = ALONE,
    *,
    cluster: str | None = None,
    profile: bool = False,
) -> Trainings | None:
    """What ``nsa train`` is asked for, if that is several trainings.

    Args:
        request: its ``category`` may be ``"all"``, or names by commas; ``output`` is the results
            folder, by default ``runs/<data root>-<number>``, or of one category its own name. The
            same trainings that have begun there are continued.
        resumed: the folder to continue.
        seeds: with each of which every category is trained.
        ranks: processes that train one model.
        cluster: what does the trainings; None: this machine.
        profile: whether the time of a training's steps is to be measured.

    Raises:
        InputError: a category does not exist, the folder cannot be used, or an option contradicts
            another or what is to be continued.
    """
    names: list[str] = []
    if resumed is None:
        names = _names(request)
        if seeds:
            _check_seeds(request)
            names = names or [_single(request)]
        if not names:
            return None
    elif seeds:
        raise InputError(
            "--seeds cannot change in trainings that have begun; leave it out or choose a new "
            "--output."
        )
    elif not (resumed / _FILE).is_file():
        return None
    if ranks.count > 1:
        raise InputError(
            "torchrun trains one category, with one seed, on several devices; leave it out to "
            "train several, with --jobs-per-device at once on every device."
        )
    if profile:
        raise InputError("--profile measures one training; name a single category and no --seeds.")
    if resumed is not None:
        return _open(resumed, request)
    if cluster is None:  # a mistake should leave nothing behind
        choose_device(request.device or "auto")
    return _create(request, names, seeds)


def _names(request: TrainRequest) -> list[str]:
    """The categories of a data root that are meant, where that is not just one."""
    root, text = request.data_root, request.category or ""
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


def _single(request: TrainRequest) -> str:
    return open_dataset(request.data_root, request.category, request.normal_dir).name


def _check_seeds(request: TrainRequest) -> None:
    """Refuse what else would say the seed of a training."""
    if request.resume_from is not None:
        raise InputError(
            "--seeds begins a training with each of them, and --resume-from goes on with one that "
            "has begun; leave out one of the two."
        )
    sections = [getattr(request, name) for name in request.sections()]
    if request.seed is not None or any("seed" in section for section in sections):
        raise InputError(
            "--seeds sets the seed of every training; leave out --seed, in a YAML file too."
        )


def _create(request: TrainRequest, names: list[str], seeds: tuple[int, ...]) -> Trainings:
    """Trainings that are new, or that an earlier call with the same options has begun."""
    if request.data_root is not None and request.normal_dir is not None:
        open_dataset(request.data_root, names[0], request.normal_dir)  # refuses both
    shared = request.absolute().replace(category=None, output=None)
    if request.output is not None and (request.output / _FILE).is_file():
        return _again(Trainings(request.output, names, shared.given(), seeds=list(seeds)))
    root = shared.data_root
    folder = make_output(request.output, names[0] if root is None or len(names) == 1 else root.name)
    if not is_unused(folder):
        raise InputError(_in_the_way(folder))
    return Trainings(folder, names, shared.given(), seeds=list(seeds))


def _again(asked: Trainings) -> Trainings:
    """What a folder holds, if that is what is asked for.

    Images at another place might be others, so only ``--resume`` takes them.
    """
    found = _read(asked.folder)
    differing = found.differ_in(asked)
    if differing is not None:
        raise InputError(_in_the_way(asked.folder, f", and its trainings differ in {differing}"))
    found.options.update({name: asked.options[name] for name in _WHERE if name in asked.options})
    _log.info("What is asked for has begun in %s; continuing.", asked.folder)
    return found


def _in_the_way(folder: Path, why: str = "") -> str:
    return (
        f"The folder {folder} is not empty{why}; choose another --output, or --resume "
        f"{as_argument(folder)} to continue what is in it."
    )


def _open(folder: Path, request: TrainRequest) -> Trainings:
    found = _read(folder)
    for name, value in request.absolute().given().items():
        if name not in _CHANGEABLE:
            raise InputError(
                f"--{name.replace('_', '-')} cannot change in trainings that have begun; leave it "
                "out or choose a new --output."
            )
        found.options[name] = value
    return found


def _read(folder: Path) -> Trainings:
    path = folder / _FILE
    written = read_yaml(path)
    with reading(path, "choose a new --output"):
        return from_dict(Trainings, {**written, "folder": folder})
