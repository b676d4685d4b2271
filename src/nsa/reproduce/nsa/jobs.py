"""Which trainings the NSA paper's tables need: systems x categories x seeds."""

from __future__ import annotations

import dataclasses

from nsa.detectors.network.automatic import suggest_settings, with_levels
from nsa.detectors.network.request import NetworkRequest
from nsa.detectors.network.settings import (
    CROP,
    SECTIONS,
    NetworkSettings,
    choose_preset,
    framed,
    of_preset,
)
from nsa.detectors.registry import read_request
from nsa.errors import InputError
from nsa.images import Dataset
from nsa.reproduce.categories import find_categories, open_category
from nsa.reproduce.nsa.systems import SYSTEMS, System, system
from nsa.reproduce.nsa.tables import TABLES, TableSpec
from nsa.reproduce.nsa.training import TrainingJob
from nsa.reproduce.request import ReproduceRequest
from nsa.settings.fields import replace
from nsa.system.device import choose_device, choose_precision

# A job's own business.
_FIXED = (
    "category", "normal_dir", "output", "seed", "label", "method", "mixture", "recipe", "light",
    "trial",
)  # fmt: skip


def plan_jobs(request: ReproduceRequest) -> list[TrainingJob]:
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
        options.precision or "auto", choose_device(options.device or "auto")
    )
    overrides = options.replace(device=None, precision=None).given()
    groups = []
    wanted = [name for spec in _specs(request) for name in spec.categories]
    for category in find_categories(request, wanted):
        settings, preset_epochs = _settings(open_category(request, category), options)
        chosen = systems or _systems_for(category, request)
        groups += [(one, settings, preset_epochs) for one in chosen if _differs(one, settings)]
    return [
        TrainingJob(
            system=one,
            category=settings.category,
            seed=seed,
            device=options.device,
            threads=options.threads,
            settings=dataclasses.replace(
                settings,
                synthesis=replace(settings.synthesis, **one.fields),
                # The papers train on every image.
                training=replace(settings.training, seed=seed, holdout=0.0),
            ),
            precision=precision,
            epochs=settings.training.epochs,
            preset_epochs=preset_epochs,
            overrides=overrides,
        )
        for seed in request.seeds
        for one, settings, preset_epochs in groups
    ]


def _options(request: ReproduceRequest) -> NetworkRequest:
    """The config file's options with the command line's over them."""
    given = {name: getattr(request, name) for name in ("epochs", "device", "precision")}
    given = {name: value for name, value in given.items() if value is not None}
    for name in ("network", "weights", "augment"):
        if getattr(request, name) is not None:
            raise InputError(f"--{name} is an option of --paper gaussian; add that.")
    options = read_request(given, None if request.config is None else request.config)
    sections = [getattr(options, section, {}) for section in SECTIONS]
    names = {*options.given(), *(name for section in sections for name in section)}
    for name in _FIXED:
        if name in names:
            raise InputError(
                f"{request.config} sets {name!r}, which nsa reproduce sets for every job itself; "
                "leave it out."
            )
    assert isinstance(options, NetworkRequest)  # since it names no method
    return options.replace(data_root=None)


def _settings(dataset: Dataset, options: NetworkRequest) -> tuple[NetworkSettings, int]:
    """The settings of a category, and the epochs they have without the user's changes."""
    options = with_levels(options, dataset)
    levels = options.images["levels"]
    preset = choose_preset(
        options, dataset.name,
        lambda: suggest_settings(dataset, options.kind, levels, others_by="a --config file"),
    )  # fmt: skip
    return framed(of_preset(preset, dataset.name), options, CROP), preset.training.epochs


def _systems_for(category: str, request: ReproduceRequest) -> list[System]:
    """The systems of the chosen tables that have this category; of all of them for a new one."""
    specs = [spec for spec in _specs(request) if category in spec.categories] or _specs(request)
    names = {name for spec in specs for name in spec.systems}
    return [one for name, one in SYSTEMS.items() if name in names]


def _specs(request: ReproduceRequest) -> list[TableSpec]:
    return [spec for number in request.tables or TABLES for spec in TABLES[number]]


def _differs(one: System, settings: NetworkSettings) -> bool:
    return one.method != "no_object_masks" or settings.synthesis.background is not None
