"""What a user asks ``nsa reproduce`` for, and the jobs that it becomes, whatever the paper.

A job is identified by a hash of everything that decides its outcome apart from the images and the
version of this package, so that a finished job is recognised in a results folder.
"""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from nsa.system.device import Precision


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a user asks for; plain values, so that it travels to workers.

    Attributes:
        data_root: folder of categories in the layout of a known dataset, or one such category.
        output: the results folder.
        paper: a key of :data:`nsa.reproduce.papers.PAPERS`.
        tables: by the paper's own numbers; empty: all of them.
        methods: names of systems; empty: those of the tables.
        categories: empty: those of the tables that ``data_root`` has.
        seeds: one job per system, category and seed.
        epochs: instead of the preset's, to shorten every training.
        network, weights, augment: only for the Gaussian detector's paper, see
            :func:`nsa.reproduce.gaussian.jobs.plan_jobs`.
        config: YAML file with settings for every job, as ``nsa train --config`` reads it.
        device, precision: as for ``nsa train``; None: the config's, else ``"auto"``.
    """

    data_root: str
    output: str
    paper: str = "nsa"
    tables: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    epochs: int | None = None
    network: str | None = None
    weights: str | None = None
    augment: int | None = None
    config: str | None = None
    device: str | None = None
    precision: str | None = None


class NamedSystem(Protocol):
    """What every paper's systems have in common."""

    @property
    def name(self) -> str:
        """On the command line and in file names."""

    @property
    def title(self) -> str:
        """In tables."""


@dataclass(frozen=True, kw_only=True)
class Job(ABC):
    """One unit of work: a system on a category with a seed.

    Attributes:
        paper: whose system it is.
        precision: ``"bf16"`` or ``"fp32"``, which decides about the last digits.
        epochs, preset_epochs: of this and of the unshortened work.
        overrides: what the user changed for all jobs, by name.
    """

    paper: ClassVar[str]
    system: NamedSystem
    category: str
    seed: int
    precision: Precision
    epochs: int
    preset_epochs: int
    overrides: dict[str, Any]

    @abstractmethod
    def settings_dict(self) -> dict[str, Any]:
        """Everything that decides the outcome, plain; the seed as ``training.seed``."""

    @abstractmethod
    def run(self, request: Request) -> dict[str, Any]:
        """Do it, or continue it, and return what :func:`nsa.reproduce.results.write_result` takes.

        Raises:
            InputError: it cannot be done.
            Interrupted: a signal stopped it; its state is saved.
        """

    @property
    def hash(self) -> str:
        """12 hexadecimal digits of the configuration."""
        identity = {
            "system": self.system.name,
            "precision": self.precision,
            "settings": self.settings_dict(),
        }
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:12]

    @property
    def name(self) -> str:
        """Names the job's files."""
        return f"{self.category}-{self.system.name}-seed{self.seed}-{self.hash}"
