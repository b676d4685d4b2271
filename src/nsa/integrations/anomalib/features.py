"""NSA for models that make their anomalies in features, such as SuperSimpleNet."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch import Callback
from torch import Tensor, nn
from torchvision import tv_tensors

from nsa.integrations.anomalib.generator import NSAAnomalyGenerator


class AnomalousImages(Callback):  # type: ignore[misc]
    """Lets a model train on images with NSA's anomalies, their masks and labels.

    For models that learn from the masks and labels of a training batch. SuperSimpleNet is one: it
    blends noise into features on top, unless that is taken from it.

    >>> model = Supersimplenet(supervised=True)                     # doctest: +SKIP
    >>> model.model.anomaly_generator = KeptFeatures()              # doctest: +SKIP
    >>> engine = Engine(callbacks=[AnomalousImages(category="bottle")])  # doctest: +SKIP

    Args:
        generator: makes them; None: one of ``options``.
        **options: of :class:`NSAAnomalyGenerator`.
    """

    def __init__(self, generator: NSAAnomalyGenerator | None = None, **options: Any) -> None:
        super().__init__()
        self.generator = generator or NSAAnomalyGenerator(**options)

    def on_train_batch_start(
        self,
        trainer: Any,
        pl_module: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Change a batch before the model's pre-processor sees it.

        Raises:
            InputError: the images are not in [0, 1].
        """
        del trainer, pl_module, batch_idx
        images, masks = self.generator(batch.image)
        batch.image = tv_tensors.Image(images)
        batch.gt_mask = tv_tensors.Mask(masks[:, 0].to(torch.uint8))
        batch.gt_label = masks.flatten(1).any(1).long()


class KeptFeatures(nn.Module):
    """Leaves features as they are, in the place of SuperSimpleNet's own generator of anomalies."""

    def forward(
        self,
        input_features: Tensor | None,
        adapted_features: Tensor,
        masks: Tensor,
        labels: Tensor,
    ) -> tuple[Tensor | None, Tensor, Tensor, Tensor]:
        """All of what is given, labels as float32."""
        return input_features, adapted_features, masks, labels.to(torch.float32)
