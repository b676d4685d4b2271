"""The settings of NSA and the Gaussian detector together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nsa.detectors.gaussian.settings import GaussianConfig, GaussianSettings
from nsa.detectors.gaussian.settings import contradictions as gaussian_contradictions
from nsa.detectors.joint.request import JointRequest
from nsa.detectors.network.settings import NetworkSettings
from nsa.detectors.network.settings import contradictions as network_contradictions
from nsa.settings.fields import Checked, replace

NAME = "nsa+gaussian"
HOLDOUT = 0.2
"""Share of the images held out unless asked: more than by one alone, since they set scales, too."""


@dataclass(frozen=True, kw_only=True)
class JointSettings(Checked):
    """Everything that decides the outcome of a run, apart from the images.

    Attributes:
        network: of NSA.
        gaussian: of the Gaussian detector; ``holdout`` and ``fpr`` are those of both.
    """

    network: NetworkSettings
    gaussian: GaussianSettings

    @property
    def category(self) -> str:
        """Name of what is inspected."""
        return self.network.category

    @property
    def shared(self) -> GaussianConfig:
        """What the Gaussian detector's section says of both: ``holdout``, ``fpr``, ``seed``."""
        return self.gaussian.gaussian

    @property
    def gaussian_alone(self) -> GaussianSettings:
        """Of the Gaussian detector as a part, which holds nothing out of what it gets."""
        config = replace(self.shared, fpr=None, holdout=0.0)
        return GaussianSettings(category=self.category, gaussian=config)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for YAML and JSON."""
        section = self.gaussian.to_dict()["gaussian"]
        return {**self.network.to_dict(), "gaussian": section, "method": NAME}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> JointSettings:
        """The inverse of :meth:`to_dict`; other keys are left alone.

        Raises:
            InputError: something is missing, unknown or out of range.
        """
        return cls(
            network=NetworkSettings.from_dict(values), gaussian=GaussianSettings.from_dict(values)
        )


def contradictions(settings: JointSettings, request: JointRequest) -> list[str]:
    """Names of options whose value differs from that in ``settings``."""
    found = network_contradictions(settings.network, request.for_network())
    found += gaussian_contradictions(settings.gaussian, request.for_gaussian())
    return list(dict.fromkeys(found))
