"""The test images of a category and their masks, all in memory, or looked at one by one."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nsa.errors import InputError
from nsa.images.contents import Contents
from nsa.images.decode import own_shapes
from nsa.images.files import list_missing
from nsa.images.load import load_contents, load_images
from nsa.images.masks import Mask, load_mask, resize_mask
from nsa.images.sample import Sample
from nsa.settings.config import Levels
from nsa.system.console import counted

_log = logging.getLogger("nsa")


@dataclass(frozen=True)
class LoadedTest:
    """A test set as arrays.

    Attributes:
        images: uint8 (N, channels, H, W), in the order of the samples.
        masks: uint8 (N, H, W), 1 on defects, in which every region is kept; 0 throughout where a
            sample has no mask.
        published_masks: the same by nearest neighbour, as the paper reduces them.
        contents: what the images hold.
    """

    images: Tensor
    masks: npt.NDArray[np.uint8]
    published_masks: npt.NDArray[np.uint8]
    contents: Contents


def load_test_set(
    samples: list[Sample],
    size: tuple[int, int],
    channels: int,
    progress: bool = True,
    levels: Levels | None = None,
) -> LoadedTest:
    """Decode and resize the images and the masks of a test set, which may be empty.

    The log names masks that are probably wrong, and regions that the paper's way loses.

    Args:
        samples: N of them.
        size: (height, width) of the result.
        channels: 3 for RGB, 1 for grey.
        progress: show a progress bar on standard error.
        levels: as for :func:`nsa.images.read_image`.

    Raises:
        InputError: an image or a mask cannot be read, or a mask does not fit its image.
    """
    images = torch.empty((0, channels, *size), dtype=torch.uint8, device="cpu")
    paths = [sample.path for sample in samples]
    contents = Contents(paths)
    if samples:
        images = load_images(paths, size, channels, progress, contents=contents, levels=levels)
    masks = np.zeros((len(samples), *size), dtype=np.uint8)
    published = masks.copy()
    found = MaskFindings()
    for index, sample in enumerate(samples):
        if sample.mask is not None:
            mask = load_mask(sample.mask, None, sample.path)
            masks[index] = resize_mask(mask, size)
            published[index] = resize_mask(mask, size, "nearest")
            found.note(sample.mask, mask, size)
    found.report()
    return LoadedTest(images, masks, published, contents)


def check_shapes(samples: list[Sample], check: Callable[[tuple[int, int]], None]) -> None:
    """Check, by the headers of files, that images of their sizes can be judged.

    Args:
        check: called with each (height, width); what it raises goes on after the file's name.

    Raises:
        InputError: one cannot, or cannot be read.
    """
    for sample, shape in zip(samples, own_shapes(one.path for one in samples), strict=True):
        try:
            check(shape)
        except InputError as error:
            raise InputError(f"{sample.path} {error}") from error


def check_test_set(
    samples: list[Sample], channels: int, progress: bool = True, levels: Levels | None = None
) -> Contents:
    """Read the images and the masks of a test set one by one, for what is wrong with them.

    Arguments, log and errors as of :func:`load_test_set`.

    Returns:
        What the images hold.
    """
    contents = load_contents([sample.path for sample in samples], channels, progress, levels)
    found = MaskFindings()
    for sample in samples:
        if sample.mask is not None:
            found.note(sample.mask, load_mask(sample.mask, None, sample.path))
    found.report()
    return contents


@dataclass
class MaskFindings:
    """What is odd about masks."""

    count: int = 0
    empty: list[Path] = field(default_factory=list)
    full: list[Path] = field(default_factory=list)
    inverted: list[Path] = field(default_factory=list)
    vanished: list[tuple[Path, int]] = field(default_factory=list)

    def note(self, path: Path, mask: Mask, size: tuple[int, int] | None = None) -> None:
        """Look at a mask of its own size, which may be reduced to another by nearest neighbour."""
        self.count += 1
        corners = mask[[0, 0, -1, -1], [0, -1, 0, -1]]
        if not mask.any():
            self.empty.append(path)
        elif mask.all():
            self.full.append(path)
        elif corners.all() and 2 * int(mask.sum()) > mask.size:
            self.inverted.append(path)
        elif size is not None:
            numbers: Any
            regions, numbers = cv2.connectedComponents(mask, connectivity=8)
            kept = np.unique(resize_mask(numbers, size, "nearest")).tolist()
            lost = regions - len({0, *kept})
            if lost:
                self.vanished.append((path, lost))

    def report(self) -> None:
        """Say in the log what was found."""
        for paths, problem in (
            (self.empty, "mark no defect; the images count as defective all the same"),
            (self.full, "mark the whole image"),
            (self.inverted, "mark all but a part; black must mean that nothing is there"),
        ):
            if paths:
                _log.warning(
                    "Odd masks, %d of %d: they %s (%s).",
                    len(paths), self.count, problem, _few(paths),
                )  # fmt: skip
        if self.vanished:
            _log.warning(
                "Nearest neighbour, by which the paper reduces masks, loses %s of %s (%s): its "
                "protocol does not see them, the metrics of whole images do.",
                counted(sum(lost for _, lost in self.vanished), "region"),
                counted(len(self.vanished), "mask"), _few([path for path, _ in self.vanished]),
            )  # fmt: skip


def _few(paths: list[Path]) -> str:
    return list_missing([*map(str, paths)], 3)
