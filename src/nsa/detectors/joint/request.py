"""What the training of NSA and the Gaussian detector together can be asked for."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from nsa.detectors.gaussian.request import GaussianRequest
from nsa.detectors.network.request import NetworkRequest


@dataclass(frozen=True, kw_only=True)
class JointRequest(NetworkRequest, GaussianRequest):
    """The options and sections of both."""

    def for_network(self) -> NetworkRequest:
        """What NSA is asked for; what is held out, is held out of both."""
        return NetworkRequest(**self._shared(NetworkRequest)).replace(holdout=None, fpr=None)

    def for_gaussian(self) -> GaussianRequest:
        """What the Gaussian detector is asked for."""
        return GaussianRequest(**self._shared(GaussianRequest))

    def for_gaussian_alone(self, section: dict[str, Any]) -> GaussianRequest:
        """The same with other settings than those that were given."""
        return GaussianRequest(device=self.device, gaussian=section)

    def overrides(self, name: str) -> dict[str, Any]:
        """As every request; the method is that of neither section."""
        of = self.for_gaussian() if name == "gaussian" else self.for_network()
        return of.overrides(name)

    def _shared(self, request: type[Any]) -> dict[str, Any]:
        values = {one.name: getattr(self, one.name) for one in dataclasses.fields(request)}
        return {**values, "method": None}
