"""Masks of what does not count: those of a run folder, and those beside batches of images."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from nsa.errors import InputError
from nsa.folder import CALIBRATED_IGNORED, IGNORED
from nsa.images.decode import Pixels
from nsa.images.ignored import Ignored, as_seen
from nsa.images.masks import Mask
from nsa.settings.config import Resize


class Ignoring:
    """Images that are seen without some of their pixels.

    Attributes:
        size: (height, width) in pixels to which images are resized that it judges.
        resize: how images come to that size, see :class:`nsa.settings.config.ImageConfig`. Unless
            by stretching, only :meth:`judge` and :meth:`predict` take images.
        ignored: what does not count of any image, see :meth:`ignore`; None: everything does.
    """

    size: tuple[int, int]
    resize: Resize = "stretch"
    ignored: Ignored | None = None
    _framed = True  # whether an image of its own shape is put into a frame
    _seen: tuple[Ignored | None, Tensor | None] = (None, None)  # scaled once, as all images are

    def ignore(self, ignored: Ignored | None) -> None:
        """Let pixels not count in any image from now on, beside those that do not already.

        Scores and maps then do not depend on these pixels, where maps have their lowest value.

        Args:
            ignored: a mask for all images; None, and masks of single images: nothing is changed.

        Raises:
            InputError: it is of another size than the one that is there.
        """
        if ignored is not None and ignored.one is not None:
            self.ignored = ignored if self.ignored is None else self.ignored | ignored

    def hidden(self, ignored: Tensor | None = None) -> Tensor | None:
        """What does not count of images of :attr:`size`.

        Args:
            ignored: bool (N or 1, *size), what does not count of these images besides.

        Returns:
            bool (N or 1, *size); None: everything counts.
        """
        own = self._own_hidden()
        if own is None or ignored is None:
            return ignored if own is None else own
        return own | ignored

    def _own_hidden(self) -> Tensor | None:
        """What :meth:`ignore` said, as an image is seen, bool (1, h, w); None: nothing."""
        known, seen = self._seen
        if known is not self.ignored:
            mask = None if self.ignored is None else self.ignored.one
            seen = None
            if mask is not None and mask.any():
                seen = as_seen(mask, self.size, self.resize, framed=self._framed)[None]
            self._seen = self.ignored, seen
        return seen

    def check_ignored(self, shape: tuple[int, int]) -> None:
        """Check that what :meth:`ignore` said is of an image's (height, width).

        Raises:
            InputError: it is not; the message goes on after the name of the image.
        """
        mask = None if self.ignored is None else self.ignored.one
        if self.ignored is not None and mask is not None and mask.shape != tuple(shape):
            raise InputError(
                f"is {shape[1]} x {shape[0]} pixels, but the mask {self.ignored.source} of what is "
                f"ignored is {mask.shape[1]} x {mask.shape[0]}; they must be of one size."
            )

    def _check_images(self, images: Iterable[Pixels]) -> None:
        """Check that what :meth:`ignore` said is of the images' sizes."""
        if self.ignored is None:
            return
        for number, image in enumerate(images):
            try:
                self.check_ignored(image.shape[:2])
            except InputError as error:
                raise InputError(f"Image {number} {error}") from error

    def _stacked(self, ignored: Sequence[Mask | None] | None) -> Tensor | None:
        """Masks of images of any sizes at that of the detector."""
        if ignored is None or all(mask is None for mask in ignored):
            return None
        none = torch.zeros(self.size, dtype=torch.bool, device="cpu")
        return torch.stack([none if mask is None else as_seen(mask, self.size) for mask in ignored])


def part_of(ignored: Tensor | None, rows: slice) -> Tensor | None:
    """Of masks (N or 1, H, W) those of some images."""
    return ignored if ignored is None or len(ignored) == 1 else ignored[rows]


def counting(maps: Tensor, ignored: Tensor) -> list[Tensor]:
    """What counts of maps (N, H, W), as if it were maps of one row.

    Args:
        ignored: bool (N or 1, H, W), with something left of each.

    Returns:
        One (N, 1, K) where it is the same of all, else (1, 1, K) of each.
    """
    if len(ignored) == 1:
        return [maps.flatten(1)[:, None, places(ignored[0])]]
    return [one[~mask][None, None] for one, mask in zip(maps, ignored, strict=True)]


def places(ignored: Tensor) -> Tensor:
    """Where in the values of one map, in a row, those are that count: int64 (K,)."""
    return (~ignored).flatten().nonzero()[:, 0]


def kept(run: Path, *, calibrated: bool = True) -> Ignored | None:
    """What a run folder says is ignored of all images.

    Args:
        calibrated: also what its calibration ignored.

    Raises:
        InputError: a mask is damaged.
    """
    names = (IGNORED, CALIBRATED_IGNORED) if calibrated else (IGNORED,)
    found: Ignored | None = None
    for path in [run / name for name in names if (run / name).is_file()]:
        mask = Ignored.open(path)
        found = mask if found is None else found | mask
    return found


def ignored_by(run: Path, place: str | None) -> Ignored | None:
    """What a training ignores: what its run folder keeps, else what it was asked for.

    Args:
        place: the mask or the folder that it was asked for; None: nothing.

    Raises:
        InputError: a mask is gone or damaged.
    """
    own = kept(run, calibrated=False)
    return Ignored.open(place) if own is None and place is not None else own
