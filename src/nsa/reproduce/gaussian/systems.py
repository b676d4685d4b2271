"""What the jobs of the Gaussian detector's paper run, and which tables need which of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from nsa.errors import InputError, hint
from nsa.gaussian.distributions import DISTRIBUTIONS, DistributionName
from nsa.model.backbones import NETWORKS
from nsa.reproduce.gaussian.paper import APPROACHES, TABLE_II, TABLE_IV, TABLE_VII

Task = Literal["features", "augmented", "autoencoder", "supervised"]

ONE_CLASS_SVM: Final = "one-class-svm"
Approach = DistributionName | Literal["one-class-svm"]
"""What is fitted to features."""
PLAIN_APPROACHES: tuple[Approach, ...] = (*DISTRIBUTIONS, ONE_CLASS_SVM)
# Table IV and the sums of Tables V and VIII; each of the others would cost another covariance of
# a hundred times as many images.
AUGMENTED_APPROACHES: tuple[Approach, ...] = ("full", "pca99", "npca1")
AUTOENCODER_APPROACHES = ("autoencoder-mean", "autoencoder-components")
SUPERVISED = "supervised"

APPROACH_TITLES: dict[str, str] = {
    "full": "Mahalanobis", "standardised": "standardised Euclidean", "l2": "L2",
    "pca95": "PCA 95 %", "pca99": "PCA 99 %", "npca1": "NPCA 1 %", "npca01": "NPCA 0.1 %",
    "npca001": "NPCA 0.01 %", ONE_CLASS_SVM: "one-class SVM", SUPERVISED: "fine-tuned classifier",
    AUTOENCODER_APPROACHES[0]: "autoencoder, map mean",
    AUTOENCODER_APPROACHES[1]: "autoencoder, components",
}  # fmt: skip


# Names that distributions once had, where they are others now.
_FORMER_NAMES: dict[str, DistributionName] = {
    "mahalanobis": "full", "pca-95": "pca95", "pca-99": "pca99",
    "npca-1": "npca1", "npca-0.1": "npca01", "npca-0.01": "npca001",
}  # fmt: skip


def by_current_names(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values by approach from a results folder, which an earlier version may have written."""
    return {_FORMER_NAMES.get(name, name): value for name, value in values.items()}


@dataclass(frozen=True)
class System:
    """What one job runs.

    Attributes:
        name: on the command line and in file names.
        title: in tables.
        task: ``"features"``: every distribution and the one-class SVM in a network's features of
            the training images; ``"augmented"``: distributions in those of augmented copies;
            ``"autoencoder"``; ``"supervised"``: fine-tuning, the upper bound.
        network: whose features, or which network is trained.
    """

    name: str
    title: str
    task: Task
    network: str

    @property
    def is_trained(self) -> bool:
        """Whether every fold is a training of a network."""
        return self.task in ("autoencoder", "supervised")

    @property
    def needs_weights(self) -> bool:
        """Whether it starts from given weights; the autoencoder starts from its seed."""
        return self.task != "autoencoder"


def network_title(network: str) -> str:
    """``EfficientNet-B4`` for ``efficientnet_b4``, ``ResNet-18`` for ``resnet18``."""
    if network.startswith("efficientnet_"):
        return f"EfficientNet-{network.removeprefix('efficientnet_').capitalize()}"
    return network.replace("resnet", "ResNet-")


def _systems() -> list[System]:
    found = []
    for network in NETWORKS:
        title = network_title(network)
        found += [
            System(network, title, "features", network),
            System(f"{network}_augmented", f"{title}, augmented", "augmented", network),
            System(f"supervised_{network}", f"{title}, fine-tuned", "supervised", network),
        ]
    return [System("autoencoder", "Autoencoder", "autoencoder", "resnet18"), *found]


SYSTEMS: dict[str, System] = {system.name: system for system in _systems()}


def approach_system(approach: str, network: str) -> System:
    """The system whose job gives a row of Table V."""
    if approach in AUTOENCODER_APPROACHES:
        return SYSTEMS["autoencoder"]
    if approach == SUPERVISED:
        return SYSTEMS[f"supervised_{network}"]
    return SYSTEMS[network if approach == ONE_CLASS_SVM else f"{network}_augmented"]


_B4 = SYSTEMS["efficientnet_b4"]
_COMPARISON = tuple(dict.fromkeys(approach_system(*key) for key in APPROACHES))
OF_TABLE: dict[str, tuple[System, ...]] = {
    "I": (_B4,),
    "II": tuple(SYSTEMS[network] for network in TABLE_II),
    "III": (_B4,),
    "IV": tuple(dict.fromkeys(SYSTEMS[f"{network}_augmented"] for network, _ in TABLE_IV)),
    "V": _COMPARISON,
    "VII": tuple(SYSTEMS[network] for network in TABLE_VII),
    "VIII": _COMPARISON,
}


def systems_for(tables: Sequence[str], network: str | None = None) -> list[System]:
    """The systems of some tables, each once.

    Args:
        network: in place of every network of the paper's.
    """
    found = [system for table in tables for system in OF_TABLE[table]]
    if network is not None:
        by_task = {(one.task, one.network): one for one in SYSTEMS.values()}
        found = [by_task[one.task, network] if one.needs_weights else one for one in found]
    return list(dict.fromkeys(found))


def find_system(name: str) -> System:
    """A system by its name; hyphens and capitals do not matter.

    Raises:
        InputError: no such system; the nearest one is suggested.
    """
    plain = name.strip().lower().replace("-", "_")
    if plain not in SYSTEMS:
        forms = "autoencoder, NETWORK, NETWORK_augmented and supervised_NETWORK"
        all_of_them = f"there are {forms}, where NETWORK is one of {', '.join(NETWORKS)}."
        raise InputError(
            f"--methods: no system is named {name.strip()!r}; {hint(plain, SYSTEMS, all_of_them)}"
        )
    return SYSTEMS[plain]
