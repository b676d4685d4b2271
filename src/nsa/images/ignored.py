"""Pixels of images that do not count, such as a clamp, a label or a time that is burnt in.

They are painted in one colour wherever a detector sees an image, in training and in use, so that
nothing can depend on what is there.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from nsa.errors import InputError
from nsa.images.decode import own_shapes
from nsa.images.frame import Shape, fill, scaled_shape
from nsa.images.masks import Mask, load_mask
from nsa.settings.config import Resize
from nsa.system.console import counted
from nsa.system.files import write_atomically
from nsa.system.mirror import fetch
from nsa.system.places import as_path

_log = logging.getLogger("nsa")

GREY = 127  # what is painted
_ENDINGS = (".png", "_mask.png")


@dataclass(frozen=True, eq=False)
class Ignored:
    """Which pixels do not count: the same of all images, or of each image its own.

    Attributes:
        source: the mask, or the folder of masks.
        one: uint8 0/1 (H, W), 1 on what does not count in any image, at the images' own resolution;
            None: each image may have a mask in the folder :attr:`source`.
    """

    source: Path
    one: Mask | None = None

    @classmethod
    def open(cls, path: str | Path) -> Ignored:
        """A mask for all images, or a folder with a mask an image.

        Every pixel that is not black is ignored, see :func:`nsa.images.load_mask`. The mask of an
        image in a folder has the image's stem, ``<stem>.png`` or ``<stem>_mask.png``. Where images
        in several folders have the same name, masks lie in folders of the same names as those, as
        in ``train/good/000.png``.

        Raises:
            InputError: it is missing, cannot be read, or leaves nothing of an image.
        """
        source = fetch(as_path(path))
        if source.is_dir():
            return cls(source)
        if not source.is_file():
            raise InputError(
                f"There is no mask {source}; name an image whose white pixels are to be ignored, "
                "or a folder with one for each image."
            )
        mask = _read(source)
        if not mask.any():
            _log.warning("The mask %s marks nothing, so nothing is ignored.", source)
        return cls(source, mask)

    def __or__(self, other: Ignored | None) -> Ignored:
        """What one of two masks for all images ignores.

        Raises:
            InputError: they are of different sizes.
        """
        if other is None or other.one is None:
            return self
        if self.one is None:
            return other
        if self.one.shape != other.one.shape:
            sizes = [f"{one.source} is {_size(one.one)} pixels" for one in (self, other)]
            raise InputError(
                f"Masks of what is to be ignored must be of one size, but {sizes[0]} and {sizes[1]}"
                "; give one of the images' size."
            )
        if not (other.one > self.one).any():
            return self
        return Ignored(other.source, self.one | other.one)

    def find(self, image: Path) -> Path | None:
        """The file in the folder with the mask of an image, if it has one of its own."""
        parents = image.absolute().parent.parts[1:]
        # The longest path first, for it says most.
        for first in range(max(0, len(parents) - 4), len(parents) + 1):
            folder = self.source.joinpath(*parents[first:])
            for ending in _ENDINGS:
                found = folder / f"{image.stem}{ending}"
                if found.is_file():
                    return found
        return None

    def check(self, images: Sequence[Path]) -> None:
        """Look for the masks of images, and say how many have none; nothing is read.

        Raises:
            InputError: none has one, or two have the same.
        """
        if self.one is not None or not images:
            return
        masks: dict[Path, Path] = {}
        for image in images:
            mask = self.find(image)
            if mask is None:
                continue
            other = masks.setdefault(mask, image)
            if other.absolute() != image.absolute():
                raise InputError(
                    f"The mask {mask} has the name of two images, {other} and {image}; put masks "
                    f"into folders named like theirs, as in "
                    f"{self.source.joinpath(*image.absolute().parts[-3:-1], mask.name)}."
                )
        if not masks:
            raise InputError(
                f"{self.source} holds no mask for any of {counted(len(images), 'image')}; the mask "
                f"of {images[0].name} would be {images[0].stem}.png there."
            )
        lacking = len({image.absolute() for image in images}) - len(masks)
        if lacking:
            _log.info(
                "%d of %s have no mask in %s, so nothing of them is ignored.",
                lacking, counted(len(images), "image"), self.source,
            )  # fmt: skip

    def check_sizes(self, images: Sequence[Path]) -> None:
        """Check that masks are of their images' sizes, of which only the headers are read.

        Raises:
            InputError: as of :meth:`of`.
        """
        for image, shape in zip(images, own_shapes(images), strict=True):
            self.of(image, shape)

    def of(self, image: Path, shape: Shape) -> Mask | None:
        """What is ignored of an image, uint8 0/1 (H, W); None: nothing.

        Args:
            shape: height and width of the image.

        Raises:
            InputError: the mask is of another size, cannot be read, or leaves nothing.
        """
        source, mask = self.source, self.one
        if mask is None:
            found = self.find(image)
            if found is None:
                return None
            source, mask = found, _read(found)
        if mask.shape != tuple(shape):
            raise InputError(
                f"The mask {source} is {_size(mask)} pixels, but its image {image} is "
                f"{shape[1]} x {shape[0]}; they must be of one size."
            )
        return mask if mask.any() else None

    def seen(
        self,
        images: Sequence[Path],
        size: Shape,
        resize: Resize = "stretch",
        reflection: int = 0,
    ) -> Tensor | None:
        """What is ignored of images as :func:`nsa.images.load_images` gives them.

        Returns:
            bool (N, height, width), or (1, height, width) where it is the same of all; None:
            nothing.

        Raises:
            InputError: as of :meth:`of`.
        """
        if self.one is not None:
            self.check_sizes(images)
            return as_seen(self.one, size, resize, reflection)[None] if self.one.any() else None
        stored = size[0] + 2 * reflection, size[1] + 2 * reflection
        masks = torch.zeros((len(images), *stored), dtype=torch.bool, device="cpu")
        for row, (image, shape) in enumerate(zip(images, own_shapes(images), strict=True)):
            mask = self.of(image, shape)
            if mask is not None:
                masks[row] = as_seen(mask, size, resize, reflection)
        return masks

    def write(self, path: Path) -> None:
        """Keep a mask for all images as PNG of 0 and 255.

        Raises:
            InputError: the file cannot be written.
        """
        assert self.one is not None
        buffer = io.BytesIO()
        Image.fromarray(self.one * np.uint8(255)).save(buffer, "PNG")
        write_atomically(path, buffer.getvalue())


def scaled(mask: Mask, shape: Shape) -> Mask:
    """A mask at another size: each pixel that has anything of an ignored one in it.

    Exactly those that :func:`nsa.images.resize` makes of one or more of them, so that what is left
    of a resized image does not depend on any ignored pixel.
    """
    if mask.shape == tuple(shape):
        return mask
    weights = Image.fromarray(mask.astype(np.float32)).resize(
        (shape[1], shape[0]), Image.Resampling.BILINEAR
    )
    return (np.asarray(weights) > 0).astype(np.uint8)


def as_seen(
    mask: Mask,
    size: Shape,
    resize: Resize = "stretch",
    reflection: int = 0,
    *,
    framed: bool = True,
) -> Tensor:
    """A mask as an image of its size is stored: scaled, and continued by reflection.

    Args:
        framed: whether it is continued; else only scaled.

    Returns:
        bool (height, width).

    Raises:
        InputError: nothing is left at this size.
    """
    seen = scaled(mask, scaled_shape(mask.shape, size, resize))
    if seen.all():
        raise InputError(
            f"A mask of {_size(mask)} pixels leaves nothing of its image at {_size(seen)} pixels, "
            "at which it is seen; ignore less."
        )
    if framed and resize != "none":
        seen = fill(seen[:, :, None], size, reflection)[:, :, 0]
    return torch.from_numpy(np.ascontiguousarray(seen)).bool()


def paint(images: Tensor, ignored: Tensor | None, *, in_place: bool = False) -> Tensor:
    """Images, uint8 (N, C, H, W), with one colour where bool (N or 1, H, W) is set."""
    if ignored is None:
        return images
    fill_in = images.masked_fill_ if in_place else images.masked_fill
    return fill_in(ignored[:, None], GREY)


def _read(path: Path) -> Mask:
    mask = load_mask(path, None)
    if mask.all():
        raise InputError(
            f"The mask {path} marks all of its image, so nothing would be left; black must mean "
            "that a pixel counts."
        )
    return mask


def _size(mask: Mask | None) -> str:
    assert mask is not None
    return f"{mask.shape[1]} x {mask.shape[0]}"
