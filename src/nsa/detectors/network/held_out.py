"""Training images that are held out, to choose by them what scores an image, and to calibrate."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from nsa.detectors.detector import Calibrated, Detector
from nsa.detectors.holdout import held_out_count, judges_by_validation, rows_that_count
from nsa.detectors.network.settings import NetworkSettings
from nsa.errors import InputError
from nsa.images import Contents, Dataset, Sample, load_images
from nsa.images.decode import own_shapes
from nsa.images.frame import scaled_shape
from nsa.images.full_size import too_small
from nsa.images.ignored import Ignored
from nsa.images.load import load_contents
from nsa.settings.config import Resize, TrainConfig
from nsa.training.schedule import HELD_OUT, derive_seed

_CHOOSE_BY = 32  # images, by which scores are chosen


def hold_out(dataset: Dataset, training: TrainConfig) -> tuple[Dataset, list[Sample]]:
    """The data set without the training images that are held out, and those, in their order.

    Its further images are trained on. Where it has validation images, they are those that are held
    out. A function of the settings
    and the numbers of images alone, so that every process of a training and whoever continues it
    holds out the same.

    Raises:
        InputError: so many cannot be held out.
    """
    count = len(dataset.train)
    number = held_out_count(count, training.holdout, training.fpr, len(dataset.validation))
    if number == 0:
        by_validation = judges_by_validation(dataset, training.holdout)
        whole = dataclasses.replace(dataset, train=[*dataset.train, *dataset.further])
        return whole, list(dataset.validation) if by_validation else []
    generator = torch.Generator("cpu").manual_seed(derive_seed(training.seed, HELD_OUT))
    order = torch.randperm(count, generator=generator, device="cpu")
    held = set(order[:number].tolist())
    train = [sample for row, sample in enumerate(dataset.train) if row not in held]
    out = [sample for row, sample in enumerate(dataset.train) if row in held]
    return dataclasses.replace(dataset, train=[*train, *dataset.further]), out


@dataclasses.dataclass(frozen=True)
class HeldOut:
    """Images that were held out, at least one.

    Attributes:
        images: uint8 (n, C, H, W), as the network sees them; None: they have their own sizes.
        resize: how they come to theirs, see :class:`nsa.settings.config.ImageConfig`.
        contents: what they hold.
        ignored: what does not count of them beside what the detector ignores.
    """

    images: Tensor | None
    contents: Contents
    resize: Resize = "stretch"
    ignored: Ignored | None = None

    @property
    def hidden(self) -> Tensor | None:
        """What does not count of :attr:`images`, bool (n or 1, H, W); None: all counts."""
        if self.images is None or self.ignored is None:
            return None
        height, width = self.images.shape[2:]
        return self.ignored.seen(self.paths, (height, width), self.resize)

    @property
    def paths(self) -> list[Path]:
        """Their files."""
        return [Path(path) for path in self.contents.paths]

    @classmethod
    def load(
        cls,
        samples: Sequence[Sample],
        settings: NetworkSettings,
        trained: Contents,
        ignored: Ignored | None = None,
        *,
        what: str = "held-out images",
        fpr: float | None = None,
    ) -> HeldOut | None:
        """The images without copies of training images and of each other; None: none are left.

        Args:
            what: the images are.
            fpr: false positive rate that a threshold is to have by them.

        Raises:
            InputError: an image cannot be read, is smaller than the crop, or too few are left.
        """
        if not samples:
            return None
        paths = [sample.path for sample in samples]
        config, images = settings.images, None
        if config.cropped:
            for path, shape in zip(paths, own_shapes(paths), strict=True):
                scaled = scaled_shape(shape, config.size, config.resize)
                if any(side < least for side, least in zip(scaled, config.crop, strict=True)):
                    raise InputError(too_small(path, scaled, config))
            contents = load_contents(paths, config.channels, False, config.levels)
        else:
            contents = Contents(paths)
            images = load_images(
                paths, settings.test_size, config.channels, False, False, contents=contents,
                resize=config.resize, levels=config.levels,
            )  # fmt: skip
        rows = rows_that_count(contents, trained, what, fpr)
        if not rows:
            return None
        if images is not None:
            images = images[rows]
        return cls(images, contents.take(rows), config.resize, ignored)

    def to_choose_by(self) -> HeldOut:
        """As many as it takes to choose a score by, spread over all of them."""
        count = len(self.contents)
        rows = [row * count // _CHOOSE_BY for row in range(_CHOOSE_BY)]
        if count <= _CHOOSE_BY:
            return self
        images = None if self.images is None else self.images[rows]
        return HeldOut(images, self.contents.take(rows), self.resize, self.ignored)

    def calibrate(self, detector: Detector) -> tuple[Contents, Calibrated]:
        """What the detector says of them, for :class:`nsa.detectors.method.Fitted`."""
        if self.images is None or self.resize != "stretch":
            return self.contents, detector.calibrate_files(self.paths, ignored=self.ignored)
        return self.contents, detector.calibrate(self.images, own_shapes(self.paths), self.hidden)
