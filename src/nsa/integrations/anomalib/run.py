"""A finished run of any method in anomalib."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from anomalib import LearningType
from anomalib.data import InferenceBatch
from anomalib.post_processing import PostProcessor
from anomalib.pre_processing import PreProcessor
from torch import Tensor, nn
from torchvision.transforms.v2 import Resize

from nsa.detectors.registry import load
from nsa.errors import InputError
from nsa.integrations.anomalib.module import NsaModule
from nsa.integrations.anomalib.pixels import with_channels


class NsaRun(NsaModule):
    """The detector of a run folder, of any method, to test, predict and export with anomalib.

    >>> model = NsaRun("runs/bottle-001")                      # doctest: +SKIP
    >>> Engine().test(model, datamodule=datamodule)            # doctest: +SKIP

    Nothing is trained: what learns are anomalib's thresholds, from the validation set. The run's
    own, and its calibration, are not used.

    Args:
        run: the folder, or its URL.
        pre_processor, post_processor, evaluator, visualizer: see
            :class:`anomalib.models.AnomalibModule`.

    Raises:
        InputError: there is no finished run, or its detector takes images of any size.
    """

    def __init__(
        self,
        run: str | Path,
        pre_processor: nn.Module | bool = True,
        post_processor: nn.Module | bool = True,
        evaluator: Any = True,
        visualizer: Any = True,
    ) -> None:
        detector = load(run, "cpu")
        if detector.resize != "stretch":
            raise InputError(
                f"{run} was trained on images of their own shape, and anomalib's have one size; "
                "use nsa predict, or train without --size."
            )
        transform = Resize(detector.size, antialias=True)
        super().__init__(
            pre_processor=PreProcessor(transform) if pre_processor is True else pre_processor,
            post_processor=post_processor,
            evaluator=evaluator,
            visualizer=visualizer,
        )
        deployed, outputs = detector.deployable()
        self.model = Deployed(deployed, detector.channels, [*outputs].index("maps"))

    @property
    def trainer_arguments(self) -> dict[str, Any]:
        """Nothing that the engine need be told."""
        return {}

    @property
    def learning_type(self) -> LearningType:
        """As models that need no training."""
        return LearningType.ZERO_SHOT

    def configure_post_processor(self) -> PostProcessor:
        """Anomalib's usual one."""
        return PostProcessor()


class Deployed(nn.Module):
    """What a detector is exported as, for images as anomalib has them.

    Args:
        deployed: see :meth:`nsa.detectors.detector.Detector.deployable`.
        channels: that it takes.
        maps: which of its outputs are the maps; the last are the scores.
    """

    def __init__(self, deployed: nn.Module, channels: int, maps: int) -> None:
        super().__init__()
        self.deployed, self._channels, self._maps = deployed, channels, maps

    def forward(self, images: Tensor) -> InferenceBatch:
        """Maps, float32 (N, 1, H, W), and scores, float32 (N,), of (N, 3, H, W) in [0, 1]."""
        found = self.deployed(with_channels(images, self._channels) * 255)
        return InferenceBatch(
            pred_score=found[-1].float(), anomaly_map=found[self._maps].float()[:, None]
        )
