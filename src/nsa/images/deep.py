"""Values of more than 8 bits, as files hold them, and what levels make of them."""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt
from PIL import Image

from nsa.errors import InputError
from nsa.images.opening import log_once
from nsa.images.source import Source, read_unchanged
from nsa.settings.config import Levels

Values = npt.NDArray[np.uint16]
_PHOTOMETRIC, _BITS_PER_SAMPLE = 262, 258  # tags of TIFF
_OUTSIDE = 0.2  # share of an image's values from which on its levels are those of other images


def is_deep(file: Image.Image) -> bool:
    """Whether a file whose pixels are not yet decoded has 16 bits a channel."""
    for tile in getattr(file, "tile", ()):
        arguments = tile[3] if isinstance(tile[3], tuple) else (tile[3],)
        if any(isinstance(item, str) and ";16" in item for item in arguments):
            return True
    return False


def takes_levels(file: Image.Image) -> bool:
    """Whether levels concern a file whose pixels are not yet decoded.

    Of 16-bit colours those in RGB; others, such as CMYK, Pillow reduces to 8 bits.
    """
    return file.mode.startswith("I") or (file.mode in ("RGB", "RGBA", "LA") and is_deep(file))


def white_is_zero(file: Image.Image) -> bool:
    """Whether the values of a decoded file of deep grey are inverted; Pillow turns others."""
    tags = getattr(file, "tag_v2", {})
    return file.format == "TIFF" and tags.get(_PHOTOMETRIC) == 0


def grey_values(file: Image.Image, path: Source) -> tuple[Values, int]:
    """The values of a decoded file of deep grey (H, W), not inverted, and of how many bits.

    Raises:
        InputError: they are no whole numbers of at most 16 bits.
    """
    pixels = np.asarray(file)
    bits = getattr(file, "tag_v2", {}).get(_BITS_PER_SAMPLE, (16,))[0]
    if file.mode == "F" or bits > 16 or pixels.min() < 0 or pixels.max() > (1 << bits) - 1:
        raise InputError(
            f"{path} has 32-bit or signed pixels, whose range is not fixed; save it with 8 or 16 "
            "bits."
        )
    return pixels.astype(np.uint16), bits


def values_of(file: Image.Image, path: Source) -> Values:
    """The values of a decoded file that :func:`takes_levels`, as they are, but 0 is black.

    Returns:
        Grey (H, W), or colours with or without opacity, (H, W, 3 or 4), not turned upright.

    Raises:
        InputError: they cannot be read.
    """
    # Of colours Pillow keeps the upper bytes, and it stretches what a PGM says has fewer bits.
    if file.mode.startswith("I") and file.format != "PPM":
        values, bits = grey_values(file, path)
        return ((1 << bits) - 1) - values if white_is_zero(file) else values
    whole = read_unchanged(path)
    if whole is None or whole.dtype != np.uint16 or whole.shape[:2] != (file.height, file.width):
        raise InputError(
            f"{path} cannot be read with more than 8 bits a channel; save it as PNG with 16 bits."
        )
    if whole.ndim == 3:
        whole = whole[:, :, [2, 1, 0, 3][: whole.shape[2]]]
    return np.asarray(whole, dtype=np.uint16)


def with_levels(file: Image.Image, path: Source, levels: Levels) -> Image.Image:
    """A decoded file that :func:`takes_levels`, of mode ``"L"``, ``"RGB"`` or ``"RGBA"``.

    Raises:
        InputError: as :func:`values_of`.
    """
    values = values_of(file, path)
    if values.ndim == 2:
        return Image.fromarray(scaled(values, levels, path))
    colours = scaled(values[:, :, :3], levels, path)
    if values.shape[2] == 4 and file.has_transparency_data:
        opacity = (values[:, :, 3:] >> 8).astype(np.uint8)
        return Image.fromarray(np.concatenate([colours, opacity], axis=2))
    return Image.fromarray(colours)


def scaled(values: Values, levels: Levels, path: Source) -> npt.NDArray[np.uint8]:
    """Values as 8 bits: linear from 0 at the low to 255 at the high level, clipped beyond.

    The log names the first file of which more than a fifth lies outside.
    """
    low, high = levels
    outside = np.count_nonzero(values < low) + np.count_nonzero(values > high)
    if outside > _OUTSIDE * values.size:
        log_once(
            f"Some images have values far outside the {low} to {high} of the training images and "
            "lose them: more than a fifth is black or white",
            path,
        )
    return _table(low, high)[values]


@functools.lru_cache(maxsize=8)
def _table(low: int, high: int) -> npt.NDArray[np.uint8]:
    """What becomes of each of the 65,536 values."""
    inside = np.clip(np.arange(1 << 16), low, high) - low
    width = high - low
    return ((inside * 255 + width // 2) // width).astype(np.uint8)
