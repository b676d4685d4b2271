"""The run folder of a Gaussian detector, and the options that lead to it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nsa.errors import InputError
from nsa.folder import BaseRun, places_of, read_config
from nsa.model.backbones import find_network
from nsa.settings.config import GaussianConfig, from_dict, to_dict
from nsa.settings.options import GAUSSIAN, GAUSSIAN_OPTIONS

# Options of the other methods that mean nothing to a detector without epochs and anomalies.
_FOREIGN = (
    "epochs", "batch_size", "learning_rate", "variant", "label", "background", "kind", "synthesis",
    "images", "training",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class GaussianSettings:
    """Everything that decides what a Gaussian detector becomes, apart from the images.

    Attributes:
        category: name of what is inspected.
        gaussian: see :class:`nsa.settings.config.GaussianConfig`.
    """

    category: str
    gaussian: GaussianConfig

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels of the network's images."""
        side = find_network(self.gaussian.network).size
        return self.gaussian.size or (side, side)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for YAML and JSON."""
        return {"method": GAUSSIAN, "category": self.category, GAUSSIAN: to_dict(self.gaussian)}


class GaussianRun(BaseRun[GaussianSettings]):
    """A run that fits a Gaussian detector."""

    @classmethod
    def open(cls, path: Path) -> GaussianRun:
        """Open an existing run folder.

        Raises:
            InputError: it is no run folder of a Gaussian detector, or of a format this version does
                not know.
        """
        values = read_config(path)
        section = values.get(GAUSSIAN)
        if values.get("method") != GAUSSIAN or not isinstance(section, dict):
            raise InputError(
                f"{path} holds no Gaussian detector; train one with --method gaussian."
            )
        try:
            settings = GaussianSettings(
                category=str(values.get("category")), gaussian=from_dict(GaussianConfig, section)
            )
        except InputError as error:
            raise InputError(f"{path / 'config.yaml'} is damaged: {error}") from error
        return cls(path, settings, places_of(values))


def resolve(options: dict[str, Any], category: str) -> GaussianSettings:
    """Settings from the options a user gave.

    Args:
        options: as :func:`nsa.settings.options.merge_options` returns them.
        category: name of the dataset.

    Raises:
        InputError: an option is unknown, out of range or of another method.
    """
    foreign = [name for name in _FOREIGN if name in options]
    if foreign:
        raise InputError(
            f"{', '.join(foreign)} cannot be set with --method gaussian, which fits its features "
            "in one pass without synthetic anomalies; leave it out."
        )
    section = dict(options.get(GAUSSIAN, {}))
    for name in (*GAUSSIAN_OPTIONS, "seed"):
        if name in options:
            section[name] = options[name]
    if section.get("fpr") is None and "holdout" in options:
        raise InputError("--holdout serves to set a false positive rate; add --fpr.")
    weights = Path(str(section.get("weights", ""))).expanduser()
    if "weights" in section and weights.exists():
        section["weights"] = str(weights.resolve())
        if weights.is_dir():  # a run of ours, whose encoder is a ResNet-18
            section.setdefault("network", "resnet18")
    config = from_dict(GaussianConfig, section)
    find_network(config.network)
    return GaussianSettings(category=category, gaussian=config)
