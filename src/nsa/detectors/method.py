"""What a method of detecting anomalies is; each has a folder of this package with a ``METHOD``."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from nsa.errors import InputError
from nsa.folder import START, AnyRun, AnySettings
from nsa.loggers.log import SILENT, TrainingLog
from nsa.settings.config import Levels, Resize
from nsa.settings.options import TrainRequest
from nsa.system.places import named

if TYPE_CHECKING:
    import torch

    from nsa.detectors.detector import Calibrated, Detector
    from nsa.images import Contents, Dataset
    from nsa.training.distributed import Ranks

_log = logging.getLogger("nsa")

RequestT = TypeVar("RequestT", bound=TrainRequest)
RunT = TypeVar("RunT", bound=AnyRun)


@dataclass(frozen=True)
class Fitted:
    """What a training leaves.

    Attributes:
        detector: ready to be used; its files are in the run folder.
        times: of the training, for ``metrics.json``.
        held_out: normal images that were held out of it to calibrate with, and what the detector
            says of them; None: none were.
    """

    detector: Detector
    times: dict[str, float]
    held_out: tuple[Contents, Calibrated] | None = None


class Fitting(ABC, Generic[RunT]):
    """A training that is checked and has not begun.

    Attributes:
        settings: what decides the outcome.
        device, precision: where and how it computes, as a run folder names them.
        test_size: (height, width) in pixels of the test images.
        channels: of all images.
        resize: how images come to their size, see :class:`nsa.settings.config.ImageConfig`.
        levels: by which they are read where they have more than 8 bits.
        contents: what the training images hold; None: none are needed, or not before :meth:`load`.
        complete: whether nothing is left to train, only to evaluate.
        start: the run whose training it continues, absolute; None: it begins anew.
        tries_threads: whether it finds out how many threads are fastest, unless it is told.
        log: is told of what the training measures.
    """

    settings: AnySettings
    device: str
    precision: str
    test_size: tuple[int, int]
    channels: int
    resize: Resize = "stretch"
    levels: Levels | None = None
    contents: Contents | None = None
    complete: bool = False
    start: Path | None = None
    tries_threads: bool = False
    log: TrainingLog = SILENT

    def places(self) -> dict[str, str]:
        """Where and how it computes, as a run folder has it."""
        own = {"device": self.device, "precision": self.precision}
        return own if self.start is None else {**own, START: named(self.start)}

    def check_shape(self, shape: tuple[int, int]) -> None:
        """See :meth:`nsa.detectors.detector.Detector.check_shape`."""
        del shape

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
        """Draw what is missing, and remove what only an unfinished training needs.

        Called when all results are written.

        Raises:
            InputError: a picture cannot be written.
        """


@dataclass(frozen=True)
class Part:
    """A run below another one that is trained before it.

    Attributes:
        name: of its folder in :data:`nsa.folder.MEMBERS`.
        method: of it.
        start: its training: of the run that has begun there, or with None a new one.
    """

    name: str
    method: AnyMethod
    start: Callable[[Any], Fitting[Any]]


class Compound(Fitting[RunT]):
    """The training of a run that is made of others.

    Attributes:
        parts: the others, in the order of their training; they are there by :meth:`load`.
    """

    parts: Sequence[Part]

    @abstractmethod
    def divide(self, run: RunT, dataset: Dataset) -> tuple[Dataset, Contents]:
        """What the parts are trained on, and the normal images that they are calibrated with.

        Raises:
            InputError: an image cannot be read, there are too few, or a part that has begun was
                trained on others.
        """


class DetectionMethod(ABC, Generic[RequestT, RunT]):
    """One way to detect anomalies, with everything that differs from the others.

    Attributes:
        names: values of ``--method`` that mean it.
        request: its options.
        summary: its names, for the help of ``--method``; empty: nothing is trained by it.
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
        """The run in a folder, if it can be continued; the log says where it is damaged.

        None also where the folder is missing, or its run had not begun.
        """
        if not (path / "config.yaml").is_file():
            return None
        try:
            run = self.open_run(path)
            self.check_files(run)
        except InputError as error:
            _log.warning("%s cannot be continued and starts again: %s", path.name, error)
            return None
        return run

    def check_files(self, run: RunT) -> None:
        """Check, without reading all of it, that what a run has left so far is intact.

        Raises:
            InputError: it is not.
        """
        del run

    @abstractmethod
    def resume(
        self, run: RunT, request: RequestT, ranks: Ranks, *, profile: bool = False
    ) -> Fitting[RunT]:
        """:meth:`begin`, for a run that has begun; the run's places are those asked for now.

        The settings of what is returned are those of the run from now on.

        Raises:
            InputError: an option contradicts the run.
        """

    def further(
        self,
        run: RunT,
        request: RequestT,
        added: int,
        ranks: Ranks,
        *,
        profile: bool = False,
    ) -> Fitting[RunT]:
        """:meth:`begin`, for a new run that goes on where a finished one ended.

        Args:
            run: the finished one.
            request: what may differ from it.
            added: images that are trained on for the first time.
            ranks, profile: see :meth:`begin`.

        Raises:
            InputError: an option contradicts the run, or its method has no use for this.
        """
        del request, added, ranks, profile
        raise InputError(
            f"--resume-from has no use for the run in {run.path}, of --method {self.names[0]}; "
            "start a new one."
        )

    def follow(self, request: RequestT, ranks: Ranks) -> None:
        """Compute a rank's share of a training; only where there are :attr:`steps`."""
        del request
        ranks.hear()  # the leader's refusal

    def demo(self, request: RequestT, category: str) -> RequestT:
        """The request with settings that suit the demo set, where it says nothing of them."""
        del category
        return request


def refuse_changes(names: Sequence[str]) -> None:
    """Refuse to change settings of a run that has begun.

    Raises:
        InputError: there are some.
    """
    if names:
        listed = ", ".join("--" + name.replace("_", "-") for name in names)
        raise InputError(
            f"{listed} cannot change in a run that has begun; leave it out or start a new run."
        )


AnyMethod: TypeAlias = DetectionMethod[Any, Any]
