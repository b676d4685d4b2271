"""What the fit of a Gaussian detector can be asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nsa.settings.options import TrainRequest, option, section

_PANEL = "Options of --method gaussian and nsa+gaussian"


@dataclass(frozen=True, kw_only=True)
class GaussianRequest(TrainRequest):
    """Options that are short for a setting, and a section for every other one.

    Attributes:
        gaussian: fields of :class:`nsa.detectors.gaussian.settings.GaussianConfig`, by name.
    """

    network: str | None = option(
        "efficientnet_lite0 to lite2, efficientnet_b0 to b7, resnet18, 34 or 50, or timm:NAME. "
        "[default: efficientnet_lite0; resnet18 where --weights is a run folder]",
        panel=_PANEL,
        section="gaussian",
    )
    weights: str | None = option(
        "default (ImageNet), random, a state-dict file, or a run folder whose encoder is taken. "
        "[default: default]",
        panel=_PANEL,
        section="gaussian",
    )
    score: str | None = option(
        "What scores an image: its levels (the paper's sum), the highest values of its heat map, "
        "or both: levels, map or both. [default: both]",
        panel=_PANEL,
        section="gaussian",
    )
    alignment: str | None = option(
        "aligned: heat maps with a Gaussian for every position; unaligned: with one for all, for "
        "textures and loose parts; auto: what suits the training images. [default: auto]",
        panel=_PANEL,
        section="gaussian",
    )
    distribution: str | None = option(
        "full, standardised, l2, pca95, pca99, npca1, npca01 or npca001. [default: full]",
        panel=_PANEL,
        section="gaussian",
    )
    augment: int | None = option(
        "Fit on so many augmented copies of every image, by what the category allows; the paper "
        "makes 100 for its working points. [default: 0, the images themselves]",
        panel=_PANEL,
        section="gaussian",
    )
    gaussian: dict[str, Any] = section()

    def overrides(self, name: str) -> dict[str, Any]:
        """As every request; these options are of every method."""
        found = super().overrides(name)
        if name == "gaussian":
            found |= self.held_out()
            if self.seed is not None:
                found["seed"] = self.seed
        return found
