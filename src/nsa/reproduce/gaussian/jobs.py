"""Which jobs the tables of the Gaussian detector's paper need."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nsa.detectors.gaussian.settings import GaussianConfig
from nsa.errors import InputError
from nsa.model.backbones import find_network
from nsa.model.named import NamedWeights
from nsa.model.packages import PackageWeights
from nsa.model.pretrained import (
    fetch_weights,
    is_weights_file,
    load_network,
    named_weights,
    weights_file,
)
from nsa.model.timm_networks import is_timm
from nsa.reproduce.categories import find_categories, open_category
from nsa.reproduce.gaussian.job import GaussianJob, weights_name
from nsa.reproduce.gaussian.paper import TABLE_VIII
from nsa.reproduce.gaussian.systems import OF_TABLE, System, find_system, systems_for
from nsa.reproduce.gaussian.work import read_fold, run_fold, run_job
from nsa.reproduce.job import Job, Part
from nsa.reproduce.request import ReproduceRequest
from nsa.settings.fields import from_dict
from nsa.settings.options import read_options
from nsa.system.device import choose_device, choose_precision
from nsa.system.places import as_path

PASSES = 100
# The paper gives no number of epochs; these are ours.
EPOCHS = {"autoencoder": 100, "supervised": 50}
# What the paper had of torchvision, before there were later ones.
WEIGHTS = "IMAGENET1K_V1"
_SECTION = ("network", "weights", "augment", "size")
_OPTIONS = (
    "network",
    "weights",
    "augment",
    "epochs",
    "device",
    "precision",
    "data_root",
    "gaussian",
)


@dataclass(frozen=True)
class _Weights:
    """What a network starts from, see :class:`GaussianJob`."""

    name: str | None
    digest: str | None


@dataclass(frozen=True, kw_only=True)
class _PlannedJob(GaussianJob):
    """A job together with what runs it.

    Attributes:
        device: see :func:`nsa.system.device.choose_device`.
    """

    device: str

    def run(self, request: ReproduceRequest) -> dict[str, Any]:
        """See :meth:`Job.run`; the config file may be the driver's alone."""
        return run_job(self, request, choose_device(self.device))

    def parts(self) -> Sequence[Part]:
        """The folds of what is trained.

        Elsewhere a fold is seconds of linear algebra on features that all folds share, and stays a
        step of its job.
        """
        return [_FoldOf(self, fold) for fold in range(self.folds)] if self.system.is_trained else ()


@dataclass(frozen=True)
class _FoldOf:
    """One fold of a job, as a :class:`nsa.reproduce.job.Part`."""

    job: _PlannedJob
    number: int

    @property
    def name(self) -> str:
        return f"{self.job.name}-fold-{self.number}"

    def is_finished(self, output: Path) -> bool:
        return read_fold(output, self.job, self.number) is not None

    def run(self, request: ReproduceRequest) -> None:
        run_fold(self.job, self.number, request, choose_device(self.job.device))


def plan_jobs(request: ReproduceRequest) -> list[GaussianJob]:
    """All jobs of a request, first seeds first.

    ``request.network`` takes the place of every network of the paper's, ``request.weights`` are the
    weights of all of them, ``request.augment`` the passes over augmented images.

    Raises:
        InputError: a category, a system or a setting does not exist, or the weights are those of
            one network and several are asked for.
    """
    if not request.seeds:
        raise InputError("--seeds names no seed.")
    options = _options(request)
    config = from_dict(
        GaussianConfig, {name: options[name] for name in _SECTION if options.get(name) is not None}
    )
    network, given = _network_and_weights(options)
    systems = [find_system(name) for name in request.methods]
    systems = systems or systems_for(request.tables or tuple(OF_TABLE), network)
    _check(request, options, systems)
    if given is not None and given.digest is not None:
        _check_one_network(systems, given.name)
    device = options.get("device", "auto")
    precision = choose_precision(
        # Not bfloat16 by itself: its rounding blurs the components of least variance.
        "fp32" if options.get("precision", "auto") == "auto" else options["precision"],
        choose_device(device),
    )
    overrides: dict[str, Any] = {
        name: options[name] for name in ("augment", "epochs", "size") if name in options
    }
    if given is not None and given.name != WEIGHTS:
        overrides["weights"] = weights_name(given.name, given.digest)
    weights = {
        one.network: given or _usual_weights(one.network) for one in systems if one.needs_weights
    }
    categories = [
        open_category(request, name).name for name in find_categories(request, list(TABLE_VIII))
    ]
    return [
        _PlannedJob(
            system=one, category=category, seed=seed, precision=precision,
            epochs=_usual(one) if asked is None else int(asked), preset_epochs=_usual(one),
            overrides=overrides, weights=start.name, digest=start.digest,
            size=config.size or (find_network(one.network).size,) * 2, device=device,
        )
        for seed in request.seeds
        for category in categories
        for one in systems
        for asked in (options.get(_option(one) or ""),)
        for start in (weights[one.network] if one.needs_weights else _Weights(None, None),)
    ]  # fmt: skip


def prepare(jobs: Sequence[Job]) -> None:
    """Make sure of the weights of all jobs before the first begins.

    Raises:
        InputError: weights are missing and cannot be fetched, or are another network's.
    """
    wanted: dict[str, list[str]] = {}
    for job in jobs:
        assert isinstance(job, GaussianJob)
        if job.weights is not None and job.system.network not in wanted.get(job.weights, []):
            wanted.setdefault(job.weights, []).append(job.system.network)
    for weights, networks in wanted.items():
        if is_weights_file(networks[0], weights):
            load_network(networks[0], weights)
        elif weights != "random":
            fetch_weights(networks, weights)


def _options(request: ReproduceRequest) -> dict[str, Any]:
    """The config file's options with the command line's over them, all at the top."""
    names = ("network", "weights", "augment", "epochs", "device", "precision")
    given = {name: getattr(request, name) for name in names}
    given = {name: value for name, value in given.items() if value is not None}
    options = {} if request.config is None else read_options(request.config)
    section = options.pop("gaussian", {})
    wrong = [name for name in options if name not in _OPTIONS]
    wrong += [name for name in section if name not in _SECTION]
    if wrong:
        raise InputError(
            f"{request.config} sets {wrong[0]!r}, which is none of the settings of --paper "
            f"gaussian: {', '.join(dict.fromkeys((*_OPTIONS[:-2], *_SECTION)))}; leave it out."
        )
    options.pop("data_root", None)
    return {**section, **options, **given}


def _option(one: System) -> str | None:
    """The option that shortens a system; None: it looks at the images once."""
    if one.task == "augmented":
        return "augment"
    return "epochs" if one.task in EPOCHS else None


def _usual(one: System) -> int:
    """Passes or epochs of a system without the user's changes."""
    return PASSES if one.task == "augmented" else EPOCHS.get(one.task, 0)


def _check(request: ReproduceRequest, options: dict[str, Any], systems: Sequence[System]) -> None:
    """Refuse numbers out of range and options that change nothing.

    Raises:
        InputError: there is one.
    """
    used = {_option(one) for one in systems}
    for name in ("augment", "epochs"):
        value = options.get(name)
        if value is not None and not (isinstance(value, int) and value >= 1):
            raise InputError(f"{name} must be a number from 1 here, got {value!r}.")
        if getattr(request, name) is not None and name not in used:
            raise InputError(f"--{name} changes nothing in what is asked for; leave it out.")
    if request.network is not None and request.methods:
        raise InputError("--methods names its networks itself; leave out --network.")


def _network_and_weights(options: dict[str, Any]) -> tuple[str | None, _Weights | None]:
    """The network in place of the paper's, and the weights where they are not the usual ones."""
    asked, network = str(options.get("weights", "default")), options.get("network")
    if network is not None:
        network = find_network(str(network)).name
        if is_timm(network):
            raise InputError(
                "--paper gaussian knows no networks of timm; nsa train --method gaussian --network "
                "timm:NAME fits a detector in one."
            )
    if asked.lower() == "default":
        return network, None
    if asked == "random":
        return network, _Weights(asked, None)
    named = named_weights(network or "resnet18", asked)
    if named is not None:
        return network, _known(named)
    path = weights_file(network or "resnet18", asked)
    if as_path(asked).is_dir():  # a run of ours, whose encoder is a ResNet-18
        network = network or "resnet18"
    return network, _Weights(str(path.resolve()), _digest(path))


def _usual_weights(network: str) -> _Weights:
    """The paper's weights of torchvision, of another network its own default."""
    named = named_weights(network, WEIGHTS) or named_weights(network, "default")
    assert named is not None
    return _known(named)


def _known(named: NamedWeights) -> _Weights:
    """torchvision's name says what its weights are; a package's might hold others."""
    path = named.file() if isinstance(named, PackageWeights) else None
    return _Weights(named.name, None if path is None else _digest(path))


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


def _check_one_network(systems: Sequence[System], weights: str | None) -> None:
    networks = list(dict.fromkeys(one.network for one in systems if one.needs_weights))
    if len(networks) > 1:
        raise InputError(
            f"{weights} holds the weights of one network, but {len(networks)} are asked for "
            f"({', '.join(networks)}); name its network with --network."
        )
