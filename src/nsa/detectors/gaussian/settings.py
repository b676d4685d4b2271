"""The settings of a Gaussian detector."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nsa.detectors.gaussian.request import GaussianRequest
from nsa.errors import InputError, shown
from nsa.gaussian.distributions import DistributionName
from nsa.gaussian.heat_maps import ScoreOf
from nsa.gaussian.map_model import Alignment
from nsa.model.backbones import find_network
from nsa.settings.config import Levels, check_held_out, check_levels
from nsa.settings.fields import Checked, check_number, from_dict, to_dict

NAME = "gaussian"
_LEAST_SIDE = 256


@dataclass(frozen=True, kw_only=True)
class GaussianConfig(Checked):
    """How the Gaussian detector is fitted (Rippel et al., ICPR 2020).

    Attributes:
        network: one of :data:`nsa.model.backbones.NETWORKS`.
        weights: ``"default"`` (trained on ImageNet), ``"random"``, a state-dict file or a run
            folder, see :func:`nsa.model.pretrained.load_network`.
        distribution: model of each level's features; ``"npca01"`` keeps the components that hold
            the last 0.1 % of the variance.
        size: (height, width) in pixels to which every image is resized; None: what the network was
            designed for, but at least 256 x 256, as an NSA network sees objects.
        channels: 1 for grey images, which a colour network gets as three equal channels; None: what
            the training images have.
        score: what scores an image, see :func:`nsa.gaussian.heat_maps.image_scores`.
        alignment: ``"aligned"``: heat maps with a Gaussian for every position; ``"unaligned"``: one
            for all positions; ``"auto"``: what suits the training images.
        map_levels: of the network, for the heat maps, 1 is the first; None: the first of stride 4,
            8 and 16 pixels.
        map_features: at most so many of these levels' channels, chosen by the seed.
        augment: fit on so many augmented copies of every image, by what the category allows
            (Figure 2 of the paper, which makes 100); 0: on the images themselves.
        seed: fixes random weights, augmentation and which images are held out.
        fpr, holdout: see :class:`nsa.settings.config.TrainConfig`.
        levels: see :class:`nsa.settings.config.ImageConfig`.
    """

    network: str = "efficientnet_lite0"
    weights: str = "default"
    distribution: DistributionName = "full"
    size: tuple[int, int] | None = None
    channels: int | None = None
    score: ScoreOf = "both"
    alignment: Alignment = "auto"
    map_levels: tuple[int, ...] | None = None
    map_features: int = 160
    augment: int = 0
    seed: int = 0
    fpr: float | None = None
    holdout: float | None = None
    levels: Levels | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number(self, "augment", 0, 10_000)
        check_levels(self.levels)
        check_number(self, "map_features", 1, 1024)
        if self.channels not in (None, 1, 3):
            raise InputError(f"channels must be 1 or 3, got {shown(self.channels)}.")
        check_number(self, "seed", 0, 2**63 - 1)
        if self.size is not None and not all(32 <= side <= 8192 for side in self.size):
            raise InputError(f"size must be two numbers from 32 to 8192, got {shown(self.size)}.")
        check_held_out(self.holdout, self.fpr)


@dataclass(frozen=True, kw_only=True)
class GaussianSettings(Checked):
    """Everything that decides what a Gaussian detector becomes, apart from the images.

    Attributes:
        category: name of what is inspected.
        gaussian: how it is fitted.
    """

    category: str
    gaussian: GaussianConfig

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels of the network's images."""
        network = find_network(self.gaussian.network)
        side = network.size if network.is_fixed else max(_LEAST_SIDE, network.size)
        return self.gaussian.size or (side, side)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for YAML and JSON."""
        section = to_dict(self.gaussian)
        if section["levels"] is None:  # said only of runs that have some
            del section["levels"]
        return {"method": NAME, "category": self.category, "gaussian": section}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> GaussianSettings:
        """The inverse of :meth:`to_dict`; other keys are left alone.

        Raises:
            InputError: something is missing, unknown or out of range.
        """
        section = values.get("gaussian")
        if not isinstance(section, dict):
            raise InputError("The configuration lacks the section 'gaussian'.")
        config = from_dict(GaussianConfig, section)
        return cls(category=values.get("category", ""), gaussian=config)


def resolve(request: GaussianRequest, category: str) -> GaussianSettings:
    """Settings from what the user asked for.

    Args:
        category: name of the dataset.

    Raises:
        InputError: a setting is unknown or out of range, or serves nothing.
    """
    section = _asked(request)
    if "weights" in section and Path(str(section["weights"])).is_dir():
        section.setdefault("network", "resnet18")  # of a run of ours
    config = from_dict(GaussianConfig, section)
    find_network(config.network)
    return GaussianSettings(category=category, gaussian=config)


def contradictions(settings: GaussianSettings, request: GaussianRequest) -> list[str]:
    """Names of options whose value differs from that in ``settings``."""
    current = {**to_dict(settings.gaussian), "category": settings.category}
    asked = _asked(request)
    if request.category is not None:
        asked["category"] = request.category
    return [name for name, value in asked.items() if value != current.get(name)]


def _asked(request: GaussianRequest) -> dict[str, Any]:
    """The settings that were asked for; a path of weights is absolute."""
    section = request.overrides("gaussian")
    if "weights" in section:
        weights = Path(str(section["weights"])).expanduser()
        if weights.exists():
            section["weights"] = str(weights.resolve())
    return section
