"""Defect masks in files, as 0 and 1 at any size."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image

from nsa.errors import InputError
from nsa.images.decode import image_size
from nsa.images.deep import white_is_zero
from nsa.images.files import find_images
from nsa.images.opening import opened, upright

Mask: TypeAlias = npt.NDArray[np.uint8]
Reduction: TypeAlias = Literal["maximum", "nearest"]
Number = TypeVar("Number", np.uint8, np.float32)

_LOSSY = ("JPEG", "WEBP")


def load_mask(
    path: str | Path,
    size: tuple[int, int] | None,
    image: str | Path | None = None,
    reduction: Reduction = "maximum",
) -> Mask:
    """Read a defect mask.

    Every pixel that is not black counts as defect, so masks of 0 and 1 and of 0 and 255 mean the
    same; in lossy files (JPEG, WebP), where black is not kept, it must be above half. On a
    transparent layer only what is at least half opaque counts, in any colour if all of it is black.

    Args:
        path: the mask file, or a folder of masks of one image, whose union is returned.
        size: (height, width) of the result; None: the mask's own.
        image: the image the mask belongs to; if given, both must be of one size.
        reduction: see :func:`resize_mask`.

    Returns:
        uint8 (height, width) of 0 and 1.

    Raises:
        InputError: the file cannot be read, or is of another size than its image; a folder holds
            no mask, or masks of different sizes.
    """
    if Path(path).is_dir():
        parts = [load_mask(part, None, image) for part in find_images(path)]
        if len({part.shape for part in parts}) > 1:
            raise InputError(f"The masks in {path} have different sizes.")
        mask: Mask = np.maximum.reduce(parts)
    else:
        mask = _read(path)
        if image is not None:
            _check_same_size(Path(path), mask, Path(image))
    return mask if size is None else resize_mask(mask, size, reduction)


def resize_mask(mask: Mask, size: tuple[int, int], reduction: Reduction = "maximum") -> Mask:
    """A mask at another size.

    Args:
        mask: (height, width) of 0 and 1.
        size: new (height, width).
        reduction: ``"maximum"``: a pixel is set where any of those is that it is made of. Every
            region stays, the smallest too, and in one piece; regions grow by less than a pixel, and
            such that are closer to each other may meet. ``"nearest"``: as the middle one of them
            (the paper's way, by which small regions vanish or break).

    Returns:
        (*size) of 0 and 1. Where it is larger, pixels are repeated.
    """
    if reduction == "maximum":
        mask = shrink(mask, size)
    if mask.shape == tuple(size):
        return mask
    return np.array(Image.fromarray(mask).resize(size[::-1], Image.Resampling.NEAREST))


def shrink(values: npt.NDArray[Number], size: tuple[int, int]) -> npt.NDArray[Number]:
    """The largest of the values (H, W) that each pixel of ``size`` is made of.

    Returns:
        (h, w), ``size`` but for sides that are longer than those of the values.
    """
    for axis, length in enumerate(size):
        before = values.shape[axis]
        if before > length:
            # Each pixel goes to the one its middle lies in: neighbours stay neighbours.
            starts = -((length - 2 * before * np.arange(length)) // (2 * length))
            values = np.maximum.reduceat(values, starts, axis=axis)
    return values


def _read(path: str | Path) -> Mask:
    with opened(path) as file:
        lossy = file.format in _LOSSY
        file.load()
        opaque = None
        picture: Image.Image = file
        if file.has_transparency_data:
            picture = file.convert("RGBA")
            opaque = np.asarray(upright(picture.getchannel("A"), file, path)) > 127
            picture = picture.convert("RGB")
        elif file.mode not in ("L", "1", "F") and not file.mode.startswith("I"):
            picture = file.convert("RGB")
        pixels = np.asarray(upright(picture, file, path))
        if file.mode.startswith("I") and white_is_zero(file):
            pixels = pixels != 65535
    if pixels.ndim == 3:
        pixels = pixels.max(axis=2)
    marked = pixels > (127 if lossy else 0)
    if opaque is not None:
        marked &= opaque
        if not marked.any():
            marked = opaque & ~opaque.all()
    return marked.astype(np.uint8)


def _check_same_size(path: Path, mask: Mask, image: Path) -> None:
    width, height = image_size(image)
    if mask.shape != (height, width):
        raise InputError(
            f"The mask {path} is {mask.shape[1]} x {mask.shape[0]} pixels, but its image {image} "
            f"is {width} x {height}; they must be of one size."
        )
