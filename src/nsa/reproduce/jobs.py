"""Which trainings the tables need: systems x categories x seeds, each with its whole configuration.

A job is identified by a hash of everything that decides its outcome apart from the images and the
version of this package, so that a finished job is recognised in a results folder.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nsa.automatic import suggest_settings
from nsa.config import replace
from nsa.device import Precision, choose_device, choose_precision
from nsa.errors import InputError
from nsa.images import list_categories, open_dataset
from nsa.reproduce.systems import SYSTEMS, System, system
from nsa.reproduce.tables import TABLES, TableSpec
from nsa.settings import SECTIONS, Settings, merge_options, resolve

_log = logging.getLogger("nsa")

# A job's own business.
_FIXED = ("category", "normal_dir", "output", "seed", "label", "method")


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a user asks ``nsa reproduce`` for; plain values, so that it travels to workers.

    Attributes:
        data_root: folder of categories in the layout of a known dataset, or one such category.
        output: the results folder.
        tables: names in :data:`nsa.reproduce.tables.TABLES`.
        methods: names of systems; empty: those of the tables.
        categories: empty: those of the tables that ``data_root`` has.
        seeds: one job per system, category and seed.
        epochs: instead of the preset's, to shorten every training.
        config: YAML file with settings for every job, as ``nsa train --config`` reads it.
        device, precision: as for ``nsa train``; None: the config's, else ``"auto"``.
    """

    data_root: str
    output: str
    tables: tuple[str, ...] = tuple(TABLES)
    methods: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    epochs: int | None = None
    config: str | None = None
    device: str | None = None
    precision: str | None = None

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Request:
        values: dict[str, Any] = json.loads(text)
        for name, value in values.items():
            if isinstance(value, list):
                values[name] = tuple(value)
        return cls(**values)


@dataclass(frozen=True, kw_only=True)
class Job:
    """One training: a system on a category with a seed.

    Attributes:
        settings: everything about it, seed and category included.
        precision: ``"bf16"`` or ``"fp32"``, which decides about the last digits.
        preset_epochs: of the unshortened training.
        overrides: what the user changed for all jobs, by name.
    """

    system: System
    settings: Settings
    precision: Precision
    preset_epochs: int
    overrides: dict[str, Any]

    @property
    def category(self) -> str:
        return self.settings.category

    @property
    def seed(self) -> int:
        return self.settings.training.seed

    @property
    def hash(self) -> str:
        """12 hexadecimal digits of the configuration."""
        identity = {
            "system": self.system.name,
            "precision": self.precision,
            "settings": self.settings.to_dict(),
        }
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:12]

    @property
    def name(self) -> str:
        """Names the job's files."""
        return f"{self.category}-{self.system.name}-seed{self.seed}-{self.hash}"


def plan_jobs(request: Request) -> list[Job]:
    """All jobs of a request, first seeds first, so that a table fills evenly.

    Ablation A is left out where a category uses no object masks, as in the paper: it would repeat
    NSA itself.

    Raises:
        InputError: a category, a system or a setting does not exist.
    """
    if not request.seeds:
        raise InputError("--seeds names no seed.")
    systems = [system(name) for name in request.methods]
    options = _options(request)
    precision = choose_precision(
        options.get("precision", "auto"), choose_device(options.get("device", "auto"))
    )
    overrides = {name: options[name] for name in options if name not in ("device", "precision")}
    groups = []
    for category in _categories(request):
        settings, preset_epochs = _settings(Path(request.data_root), category, options)
        wanted = systems or _systems_for(category, request)
        groups += [(one, settings, preset_epochs) for one in wanted if _differs(one, settings)]
    return [
        Job(
            system=one,
            settings=dataclasses.replace(
                settings,
                synthesis=replace(settings.synthesis, **one.fields),
                training=replace(settings.training, seed=seed),
            ),
            precision=precision,
            preset_epochs=preset_epochs,
            overrides=overrides,
        )
        for seed in request.seeds
        for one, settings, preset_epochs in groups
    ]


def job_options(job: Job, request: Request) -> dict[str, Any]:
    """Options of :func:`nsa.train.train` that give exactly this job."""
    settings = job.settings.to_dict()
    return {
        "data_root": request.data_root,
        "category": job.category,
        "kind": job.settings.kind,
        "device": _options(request).get("device", "auto"),
        "precision": job.precision,
        **{name: settings[name] for name in SECTIONS},
    }


def _options(request: Request) -> dict[str, Any]:
    """The config file's options with the command line's over them."""
    given = {name: getattr(request, name) for name in ("epochs", "device", "precision")}
    given = {name: value for name, value in given.items() if value is not None}
    options = merge_options(given, None if request.config is None else Path(request.config))
    names = {*options, *(name for section in SECTIONS for name in options.get(section, {}))}
    for name in _FIXED:
        if name in names:
            raise InputError(
                f"{request.config} sets {name!r}, which nsa reproduce sets for every job itself; "
                "leave it out."
            )
    options.pop("data_root", None)
    return options


def _settings(root: Path, category: str, options: dict[str, Any]) -> tuple[Settings, int]:
    """The settings of a category, and the epochs they have without the user's changes."""
    dataset = open_dataset(root, category)
    preset = resolve(
        {name: options[name] for name in ("kind",) if name in options},
        dataset.name, lambda: suggest_settings(dataset, options.get("kind")),
    )  # fmt: skip
    sections = {name: dict(options.get(name, {})) for name in SECTIONS}
    for name in ("epochs", "batch_size", "learning_rate"):
        if name in options:
            sections["training"][name] = options[name]
    for name in ("variant", "background"):
        if name in options:
            sections["synthesis"][name] = options[name]
    settings = dataclasses.replace(
        preset,
        synthesis=replace(preset.synthesis, **sections["synthesis"]),
        images=replace(preset.images, **sections["images"]),
        training=replace(preset.training, **sections["training"]),
    )
    return settings, preset.training.epochs


def _categories(request: Request) -> list[str]:
    """The categories asked for, else those of the tables that the data root has."""
    if request.categories:
        return list(dict.fromkeys(request.categories))
    root = Path(request.data_root).expanduser()
    found = list_categories(root)
    wanted = list(dict.fromkeys(name for spec in _specs(request) for name in spec.categories))
    chosen = [name for name in wanted if name in found]
    if not chosen:
        listed = ", ".join(found) or "no category at all"
        raise InputError(
            f"{root} has none of the categories of table {', '.join(request.tables)}; it has "
            f"{listed}: name some with --categories."
        )
    missing = [name for name in wanted if name not in chosen]
    if missing:
        _log.warning("Not in %s, so left out of the tables: %s.", root, ", ".join(missing))
    return chosen


def _systems_for(category: str, request: Request) -> list[System]:
    """The systems of the chosen tables that have this category; of all of them for a new one."""
    specs = [spec for spec in _specs(request) if category in spec.categories] or _specs(request)
    names = {name for spec in specs for name in spec.systems}
    return [one for name, one in SYSTEMS.items() if name in names]


def _specs(request: Request) -> list[TableSpec]:
    return [spec for number in request.tables for spec in TABLES[number]]


def _differs(one: System, settings: Settings) -> bool:
    return one.method != "no_object_masks" or settings.synthesis.background is not None
