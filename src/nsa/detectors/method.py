"""What a method of detecting anomalies is; each has a folder of this package with a ``METHOD``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from nsa.errors import InputError
from nsa.folder import AnyRun, AnySettings
from nsa.settings.options import TrainRequest

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import torch

    from nsa.detectors.detector import Detector
    from nsa.images import Dataset
    from nsa.training.distributed import Ranks

RequestT = TypeVar("RequestT", bound=TrainRequest)
RunT = TypeVar("RunT", bound=AnyRun)


@dataclass(frozen=True)
class Fitted:
    """What a training leaves.

    Attributes:
        detector: ready to be used; its files are in the run folder.
        times: of the training, for ``metrics.json``.
        held_out: files and scores of normal images that were held out of it; None: there are none.
    """

    detector: Detector
    times: dict[str, float]
    held_out: tuple[Sequence[Path], npt.NDArray[np.float64]] | None = None


class Fitting(ABC, Generic[RunT]):
    """A training that is checked and has not begun.

    Attributes:
        settings: what decides the outcome.
        device, precision: where and how it computes, as a run folder names them.
        test_size: (height, width) in pixels of the test images.
        channels: of all images.
    """

    settings: AnySettings
    device: str
    precision: str
    test_size: tuple[int, int]
    channels: int

    @abstractmethod
    def load(self, run: RunT, dataset: Dataset) -> None:
        """Bring the training images into memory, and whatever else may still fail.

        Raises:
            InputError: an image cannot be read, or the disk is too full.
        """

    @abstractmethod
    def fit(self, run: RunT, dataset: Dataset) -> Fitted:
        """Train, and write the detector into the run folder.

        Raises:
            InputError: it cannot be trained, or a file cannot be written.
            Interrupted: a signal stopped it; its state is saved.
        """

    def finish(self, run: RunT) -> None:
        """Remove what only an unfinished training needs; called when all results are written."""


class DetectionMethod(ABC, Generic[RequestT, RunT]):
    """One way to detect anomalies, with everything that differs from the others.

    Attributes:
        names: values of ``--method`` that mean it.
        request: its options.
        summary: its names, for the help of ``--method``.
        lacks: why it has no use for the options of others, to follow its name.
        steps: whether it trains in steps, which several processes can share and a profile measures.
    """

    names: tuple[str, ...]
    request: type[RequestT]
    summary: str
    lacks: str
    steps: bool = False

    @abstractmethod
    def open_run(self, path: Path) -> RunT:
        """The run in a folder of this method.

        Raises:
            InputError: its configuration is damaged.
        """

    @abstractmethod
    def load(self, run: RunT, device: str | torch.device) -> Detector:
        """The detector of a finished run.

        Raises:
            InputError: the run has not finished, or there is no such device.
        """

    @abstractmethod
    def begin(
        self, request: RequestT, dataset: Dataset, ranks: Ranks, *, profile: bool = False
    ) -> Fitting[RunT]:
        """Check what is asked for before anything is written.

        Args:
            request: of the type :attr:`request`.
            dataset: the images.
            ranks: processes to train one model with, seen from their leader.
            profile: measure where the time of a step goes.

        Raises:
            InputError: an option or the device cannot be used, or does not suit the images.
        """

    def find_begun(self, path: Path) -> RunT | None:
        """The run in a folder, if it can be continued; None: it has to start again."""
        del path
        return None

    def resume(
        self, run: RunT, request: RequestT, ranks: Ranks, *, profile: bool = False
    ) -> Fitting[RunT]:
        """:meth:`begin`, for a run that has begun; the run's places are those asked for now.

        Raises:
            InputError: such a run cannot be continued, or an option contradicts it.
        """
        del request, ranks, profile
        raise InputError(
            f"{run.path} holds a detector of --method {self.names[0]}, {self.lacks}; it can be "
            "used by nsa evaluate, predict, calibrate and export, but not resumed."
        )

    def follow(self, request: RequestT, ranks: Ranks) -> None:
        """Compute a rank's share of a training; only where there are :attr:`steps`."""
        del request
        ranks.hear()  # the leader's refusal

    def demo(self, request: RequestT, category: str) -> RequestT:
        """The request with settings that suit the demo set, where it says nothing of them."""
        del category
        return request


AnyMethod: TypeAlias = DetectionMethod[Any, Any]
