"""The jobs that a request becomes, whatever the paper.

A job is identified by a hash of everything that decides its outcome apart from the images and the
version of this package, so that a finished job is recognised in a results folder.
"""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from dataclasses import dataclass
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
