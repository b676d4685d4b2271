"""The synthesis in the place of anomalib's own generators of anomalies."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from nsa.errors import InputError
from nsa.integrations.anomalib.pixels import to_levels
from nsa.settings.config import SynthesisConfig
from nsa.settings.presets import preset
from nsa.synthesis import NSA


class NSAAnomalyGenerator(nn.Module):
    """Makes anomalies by NSA as ``anomalib.data.utils.generators.PerlinAnomalyGenerator`` does.

    DRAEM trains with it in the place of its own, which then need no textures: name any folder that
    exists for them, or anomalib downloads some.

    >>> model = Draem(dtd_dir=".")                            # doctest: +SKIP
    >>> model.augmenter = NSAAnomalyGenerator(category="bottle")  # doctest: +SKIP

    The feature generator of SuperSimpleNet cannot be replaced, as NSA knows images only: see
    :class:`AnomalousImages`.

    Args:
        config: all settings of the synthesis; None: the defaults, or the category's.
        category: one with a preset of the paper.
        probability: share of images that get anomalies.
        **fields: settings by name, in place of those of ``config``.

    Raises:
        InputError: no such setting or category, a value out of range, both a configuration and a
            category, or a label, which masks have none of.
    """

    def __init__(
        self,
        config: SynthesisConfig | None = None,
        *,
        category: str | None = None,
        probability: float = 0.5,
        **fields: Any,
    ) -> None:
        super().__init__()
        if not 0 <= probability <= 1:
            raise InputError(f"probability must be from 0 to 1, got {probability!r}.")
        if config is not None and category is not None:
            raise InputError("config and category both say the settings; leave one of them out.")
        if "label" in fields:
            raise InputError("Masks are binary whatever the label; leave out label.")
        if category is not None:
            config = preset(category).synthesis
        self.probability = probability
        self.synthesis = NSA(config, **fields, label="binary")

    @torch.no_grad()
    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Change some images of a batch.

        Args:
            images: float (N, C, H, W) in [0, 1], C in {1, 3}, normal images; left unchanged. Of
                a single one the patches are its own.

        Returns:
            The images, changed where something was blended into them, and their masks, float32
            (N, 1, H, W), 1 where they have changed visibly and 0 elsewhere.

        Raises:
            InputError: ``images`` is no such batch.
        """
        levels = to_levels(images)
        changed, labels = self.synthesis(levels)
        chosen = torch.rand(len(images), device="cpu") < self.probability
        chosen = chosen[:, None, None, None].to(images.device)
        there = ((changed != levels).to(images.device) & chosen, changed.to(images.device) / 255)
        masks = ((labels > 0).to(images.device) & chosen).to(torch.float32)
        return torch.where(there[0], there[1].to(images.dtype), images), masks
