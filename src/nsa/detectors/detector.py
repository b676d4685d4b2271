"""What every trained detector offers, whatever its method: images in, scores and maps out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from nsa._native.layout import check_images
from nsa.detectors.hidden import Ignoring, part_of
from nsa.errors import InputError
from nsa.images import read_image, stack
from nsa.images.ignored import Ignored
from nsa.images.masks import Mask
from nsa.metrics.conformal_pixels import MapLevels, map_levels
from nsa.settings.config import Levels

Pixels = npt.NDArray[np.uint8]
Map = npt.NDArray[np.float32]
_CHUNK = 64  # images to calibrate with, so that their maps are never all in memory


class Scored(NamedTuple):
    """What a detector says of images.

    Attributes:
        scores: float (N,), on the CPU; higher is more anomalous.
        maps: float32 (N, H, W), on the CPU; higher is more anomalous.
        spread: float (N,), how uncertain each score is; None: the detector does not say.
    """

    scores: Tensor
    maps: Tensor
    spread: Tensor | None = None


class Calibrated(NamedTuple):
    """What a detector says of normal images that were not trained on.

    Attributes:
        scores: float64 (n,), see :class:`Scored`.
        levels: float32 (n, shares): of each map at its image's own resolution, see
            :func:`nsa.metrics.conformal_pixels.map_levels`.
    """

    scores: npt.NDArray[np.float64]
    levels: MapLevels


class Judged(NamedTuple):
    """What a detector says of one image, see :class:`Scored`, with maps of the image's size.

    Attributes:
        map_spread: how uncertain each pixel of the map is.
    """

    score: float
    map: Map
    spread: float | None = None
    map_spread: Map | None = None


class Detector(Ignoring, ABC):
    """Finds anomalies in images of the kind it was trained on; :func:`nsa.load` opens one.

    >>> detector = nsa.load("runs/bottle-001")
    >>> maps, scores = detector.predict(images)

    Attributes:
        channels: of its images, 1 or 3.
        levels: by which images of more than 8 bits are to be read that it judges, see
            :func:`nsa.images.read_image`; None: by fixed scales.
        map_range: the ends of the colour scale of its maps, the same for every picture: values up
            to the first are drawn as normal.
        rounding: by how much its scores of one image differ at most between machines and runtimes;
            None: by 1e-4 of the largest.
        default_fpr: the false positive rate that its training was asked for; None: it was not.
        has_spread: whether it says how uncertain its scores and maps are.
        scaled_by: digests of normal images that its scores are scaled by without being trained on.
    """

    channels: int
    levels: Levels | None = None
    map_range: tuple[float, float] = (0.0, 1.0)
    rounding: float | None = None
    default_fpr: float | None = None
    has_spread: bool = False
    scaled_by: frozenset[str] = frozenset()

    @property
    def any_size(self) -> bool:
        """Whether what :meth:`deployable` gives takes images of any size, not of :attr:`size`."""
        return False

    @abstractmethod
    def score(self, images: Tensor, ignored: Tensor | None = None) -> Scored:
        """Judge images that already have the detector's size; nothing is resized.

        Args:
            images: uint8 ``(N, channels, *size)``.
            ignored: bool ``(N or 1, *size)``, what does not count beside what :meth:`ignore` said.
        """

    @abstractmethod
    def deployable(self) -> tuple[nn.Module, dict[str, str]]:
        """The detector as a module for :func:`nsa.runs.export.export`.

        Returns:
            From pixels, float32 (N, channels, *size), or (N, channels, H, W) if :attr:`any_size`,
            from 0 to 255, to a tuple of tensors whose last is the scores; and what each of them is
            called and holds.
        """

    def use_onnxruntime(self, folder: Path) -> None:
        """Judge by ONNX Runtime on the CPU from now on, see :func:`nsa.load`.

        Args:
            folder: of the run, which keeps what that takes.

        Raises:
            InputError: it is not installed, or cannot do what the detector does.
        """
        raise InputError(
            f"--engine onnxruntime is not for detectors as that in {folder}; leave it out."
        )

    def prepare(self, image: Pixels) -> Tensor:
        """An image as what :meth:`deployable` gives takes it.

        Args:
            image: uint8 (H, W, channels) of any size.

        Returns:
            uint8 (channels, *size), or (channels, h, w) if :attr:`any_size`.
        """
        return stack([image], self.size)[0]

    def score_as_published(self, images: Tensor, ignored: Tensor | None = None) -> Scored | None:
        """Judge test images by the protocol of the method's paper; None: it is :meth:`score`.

        Args:
            images, ignored: as for :meth:`score`; maps cover the whole of them.
        """
        del images, ignored
        return None

    def calibrate(
        self,
        images: Tensor,
        shapes: Sequence[tuple[int, int]],
        ignored: Tensor | None = None,
    ) -> Calibrated:
        """Judge normal images that were not trained on.

        Args:
            images, ignored: as for :meth:`score`; at least one.
            shapes: their own (height, width), at which masks are made of their maps.
        """
        scores, levels = [], []
        for first in range(0, len(images), _CHUNK):
            part = slice(first, first + _CHUNK)
            scored = self.score(images[part], part_of(ignored, part))
            scores.append(scored.scores.double())
            levels.append(levels_of(scored.maps, shapes[part]))
        return Calibrated(torch.cat(scores).numpy(), np.concatenate(levels))

    def calibrate_files(
        self,
        paths: Sequence[Path],
        advance: Callable[[], None] = lambda: None,
        ignored: Ignored | None = None,
    ) -> Calibrated:
        """:meth:`calibrate`, of images in their own shape, which are read one by one.

        Args:
            paths: their files, at least one.
            advance: called after each.
            ignored: what does not count of them beside what :meth:`ignore` said.

        Raises:
            InputError: one cannot be read or judged.
        """
        scores, levels = np.zeros(len(paths)), []
        for row, path in enumerate(paths):
            image = read_image(path, self.channels, self.levels)
            try:
                self.check_shape(image.shape[:2])
            except InputError as error:
                raise InputError(f"{path} {error}") from error
            more = None if ignored is None else ignored.of(path, image.shape[:2])
            [judged] = self.judge([image]) if more is None else self.judge([image], [more])
            scores[row] = judged.score
            levels.append(map_levels(judged.map))
            advance()
        return Calibrated(scores, np.stack(levels))

    def save_calibration(self, folder: Path) -> None:
        """Write what :meth:`calibrate` left in the detector, if anything, into its run folder."""

    def be_quiet(self) -> None:
        """Show no progress, as part of something that shows its own."""

    def level_points(self, fpr: float) -> list[dict[str, Any]]:
        """Working points of the method's parts, where it has any with a threshold of their own."""
        del fpr
        return []

    def check_shape(self, shape: tuple[int, int]) -> None:
        """Check that images of a (height, width) can be judged.

        Raises:
            InputError: they cannot; the message goes on after the name of an image.
        """
        self.check_ignored(shape)

    def predict(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Maps at the images' own resolution and one score per image.

        The whole image is judged, up to its borders.

        Args:
            images: uint8 (N, channels, H, W) of any size.

        Returns:
            Maps, float32 (N, 1, H, W), and scores, float (N,); higher is more anomalous. Both on
            the CPU.

        Raises:
            InputError: wrong dtype, shape or number of channels, or no values.
        """
        check_images(images, channels=(self.channels,))
        if images.is_meta:
            raise InputError("images must hold values, got a tensor on the device 'meta'.")
        if not len(images):
            none = torch.empty((0, 1, *images.shape[2:]), dtype=torch.float32, device="cpu")
            return none, self.score(images.new_empty((0, self.channels, *self.size))).scores
        images = images.cpu()
        pixels = images.permute(0, 2, 3, 1).numpy()
        self._check_images(pixels[:1])
        if self.resize != "stretch":
            judged = self.judge([*pixels])
            own = Scored(
                torch.tensor([one.score for one in judged], dtype=torch.float32, device="cpu"),
                torch.from_numpy(np.stack([one.map for one in judged])),
            )
            check_scores(own, (f"image {number}" for number in range(len(images))))
            return own.maps[:, None], own.scores
        as_seen = tuple(images.shape[2:]) == self.size
        scored = self.score(images if as_seen else stack(pixels, self.size))
        check_scores(scored, (f"image {number}" for number in range(len(images))))
        return enlarge(scored.maps[:, None], tuple(images.shape[2:])), scored.scores

    def judge(
        self, images: Sequence[Pixels], ignored: Sequence[Mask | None] | None = None
    ) -> list[Judged]:
        """Score and map (H, W) of each image, uint8 (H, W, channels) of any size.

        Args:
            ignored: uint8 0/1 (H, W), what does not count of each image beside what :meth:`ignore`
                said; None: nothing.

        Raises:
            InputError: a mask is of another size than its image.
        """
        if not images:
            return []
        self._check_images(images)
        scores, maps, _ = self.score(stack(images, self.size), self._stacked(ignored))
        return [
            Judged(score, enlarge(one[None, None], image.shape[:2])[0, 0].numpy())
            for score, one, image in zip(scores.tolist(), maps, images, strict=True)
        ]


def check_scores(scored: Scored, names: Iterable[object]) -> None:
    """Refuse scores and maps that say nothing, so that no label is ever made of them.

    Args:
        names: of the images, for the message.

    Raises:
        InputError: a score, or a value of a map, is NaN or infinite.
    """
    # By NumPy: threads of torch would take longer to meet than to work.
    maps = np.isfinite(scored.maps.numpy()).all((1, 2))
    good = maps & np.isfinite(scored.scores.numpy())
    if not good.all():
        first = next(name for name, right in zip(names, good.tolist(), strict=True) if not right)
        raise InputError(
            f"The detector gives {first} a score or a map that is not finite; its weights are "
            "damaged, put back a copy of them or train again."
        )


def levels_of(maps: Tensor, shapes: Sequence[tuple[int, int]]) -> MapLevels:
    """What is kept of maps, float32 (N, h, w), for pixel thresholds: float32 (N, shares).

    Args:
        shapes: (height, width) of each image.
    """
    own = (
        enlarge(one[None, None], shape)[0, 0].numpy()
        for one, shape in zip(maps, shapes, strict=True)
    )
    return np.stack([map_levels(one) for one in own])


def enlarge(maps: Tensor, size: tuple[int, ...]) -> Tensor:
    """Maps (N, 1, h, w) at the (height, width) of their images, bilinear."""
    if tuple(maps.shape[2:]) == tuple(size):
        return maps
    return F.interpolate(maps, size, mode="bilinear", align_corners=False)
