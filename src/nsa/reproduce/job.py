"""The jobs that a request becomes, whatever the paper.

A job is identified by a hash of everything that decides its outcome apart from the images and the
version of this package, so that a finished job is recognised in a results folder.
"""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

from nsa.reproduce.request import ReproduceRequest
from nsa.system.device import Precision


class NamedSystem(Protocol):
    """What every paper's systems have in common."""

    @property
    def name(self) -> str:
        """On the command line and in file names."""

    @property
    def title(self) -> str:
        """In tables."""


class Part(Protocol):
    """A piece of a job that may be done apart from it, and before it; pickled on its way there."""

    @property
    def name(self) -> str:
        """Names its log; no other part of any job has the same."""

    def is_finished(self, output: Path) -> bool:
        """Whether a results folder has what comes of it."""

    def run(self, request: ReproduceRequest) -> None:
        """Do it; nothing where another process has finished it meanwhile.

        Raises:
            InputError: it cannot be done.
            Interrupted: a signal stopped it.
        """


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
    def run(self, request: ReproduceRequest) -> dict[str, Any]:
        """Do it, or continue it, and return what :func:`nsa.reproduce.results.write_result` takes.

        Parts that are finished are not done again, and the others are, so it needs none of them.

        Raises:
            InputError: it cannot be done.
            Interrupted: a signal stopped it; its state is saved.
        """

    def parts(self) -> Sequence[Part]:
        """What is worth a job of its own where several run at once; it may be done in any order."""
        return ()

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
