"""Any image file a camera or an editor may leave, as 8-bit grey or RGB.

What is done to each kind of file:

* palette and 1-bit images are expanded, CMYK and other colour spaces converted to RGB;
* the EXIF orientation is applied, so that pixels lie as the photographer saw them;
* an alpha channel is dropped where it is opaque, else the image is composited on black, the value
  that editors leave under fully transparent pixels;
* pixels of more than 8 bits are scaled by levels, where there are some: two values that become 0
  and 255, the same for every file, so that brightness stays comparable between images. A training
  finds them in its images, see :mod:`nsa.images.levels`, and its detector keeps them;
* without levels 16-bit pixels are scaled by 255 / 65535 (colour: without rounding), and the 12-bit
  ones of a TIFF by 255 / 4095. What a file says of its largest value is mostly that of its own
  pixels, so it is not used. Values of a 12-bit camera that nobody has scaled come out dark in 16
  bits, which is said; values of 8 bits would come out black and are refused;
* where a TIFF says that white is zero, its values are turned round in their own bits, then scaled;
* DICOM files are read as :mod:`nsa.images.dicom` says;
* 32-bit integer and floating-point pixels have no fixed range and are refused;
* of a file with several pages or frames the first is read;
* more pixels than Pillow allows (179 million) are read where there is memory for them.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
from PIL import Image

from nsa.errors import InputError
from nsa.images.deep import grey_values, is_deep, takes_levels, white_is_zero, with_levels
from nsa.images.dicom import dicom_picture, dicom_size
from nsa.images.files import is_dicom
from nsa.images.opening import MORE_PAGES, log_once, opened, upright, upright_size
from nsa.images.source import Source, read_unchanged
from nsa.settings.config import Levels

_DARK, _BLACK = 4095, 255  # 16-bit values that come out dark, and black
Pixels = npt.NDArray[np.uint8]


def read_image(path: Source, channels: int = 3, levels: Levels | None = None) -> Pixels:
    """Decode one file at its own resolution.

    Args:
        path: the image file, or its bytes.
        channels: 3 for RGB, 1 for grey.
        levels: (low, high), the values of more than 8 bits that become 0 and 255; None: fixed
            scales.

    Returns:
        uint8 (height, width, channels).

    Raises:
        InputError: the file is missing, damaged, of an unknown kind, or too large for the memory
            there is; the message names it.
    """
    return as_array(decode(path, channels, levels))


def resize(image: Pixels, size: tuple[int, int]) -> Pixels:
    """Antialiased bilinear resize, as :func:`nsa.images.load_images` does it.

    Args:
        image: uint8 (height, width, channels) with 1 or 3 channels.
        size: new (height, width).

    Returns:
        uint8 (*size, channels); the image itself where it has that size already.
    """
    if image.shape[:2] == tuple(size):
        return image
    picture = Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image)
    return as_array(scale(picture, size))


def decode(path: Source, channels: int, levels: Levels | None = None) -> Image.Image:
    """Decode one file to a Pillow image of mode ``"L"`` or ``"RGB"`` at its own resolution.

    Args:
        levels: as for :func:`read_image`.

    Raises:
        InputError: as :func:`read_image`.
    """
    check_channels(channels)
    mode = "RGB" if channels == 3 else "L"
    if is_dicom(path):
        return dicom_picture(path, levels).convert(mode)
    with opened(path) as file:
        if _has_more_pages(file):
            log_once(MORE_PAGES, path)
        deep = is_deep(file)
        own = levels if takes_levels(file) else None
        file.load()
        picture = _eight_bits(file if own is None else with_levels(file, path, own), path)
        if deep and own is None and picture.mode == "RGB":
            _check_brightness(_largest_of(picture, path), path)
        return upright(picture, file, path).convert(mode)


def image_size(path: Source) -> tuple[int, int]:
    """Width and height of an image file as it is seen; its pixels are not decoded.

    Raises:
        InputError: as :func:`read_image`.
    """
    return dicom_size(path) if is_dicom(path) else upright_size(path)


def own_shapes(paths: Iterable[Source]) -> list[tuple[int, int]]:
    """Height and width of each image, see :func:`image_size`."""
    return [(height, width) for width, height in map(image_size, paths)]


def check_channels(channels: int) -> None:
    """Refuse any number of channels but 1 and 3."""
    if channels not in (1, 3):
        raise InputError(f"channels must be 1 (grey) or 3 (RGB), got {channels!r}.")


def scale(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Antialiased bilinear resize to ``size`` = (height, width); nothing where it fits already."""
    height, width = size
    if picture.size == (width, height):
        return picture
    return picture.resize((width, height), Image.Resampling.BILINEAR)


def _has_more_pages(file: Image.Image) -> bool:
    try:
        return getattr(file, "n_frames", 1) > 1
    except Exception:  # there is another page, and it is damaged; the first need not be
        file.seek(0)
        return True


def _eight_bits(picture: Image.Image, path: Source) -> Image.Image:
    """The picture in a mode that converts to grey or RGB with no surprise."""
    if picture.mode.startswith("I") or picture.mode == "F":
        return _from_deep_grey(picture, path)
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        if picture.getchannel("A").getextrema() != (255, 255):
            log_once("Some images are partly transparent; they are composited on black", path)
            black = Image.new("RGBA", picture.size, (0, 0, 0, 255))
            picture = Image.alpha_composite(black, picture)
        return picture.convert("RGB")
    return picture.convert("RGB") if picture.mode not in ("1", "L") else picture


def _from_deep_grey(picture: Image.Image, path: Source) -> Image.Image:
    """16-bit grey (modes ``I;16*``, and ``I`` for PGM) scaled to 8 bits."""
    values, bits = grey_values(picture, path)
    full, wide = (1 << bits) - 1, values.astype(np.uint32)
    if white_is_zero(picture):
        if bits == 16:
            _check_brightness(int(wide.max()), path, "white")
        np.subtract(full, wide, out=wide)
    if bits == 16:
        _check_brightness(int(wide.max()), path)
    return Image.fromarray(((wide * 255 + full // 2) // full).astype(np.uint8))


def _check_brightness(largest: int, path: Source, nothing: str = "black") -> None:
    """Say that 16-bit pixels hold fewer bits, which are lost at the scale of all 16.

    Args:
        nothing: what 0 looks like.

    Raises:
        InputError: hardly anything would be left.
    """
    if 0 < largest <= _BLACK:
        raise InputError(
            f"{path} has 16-bit pixels of which none is above {largest}, so it would come out "
            f"{nothing}; save it with 8 bits, or multiply the values."
        )
    if 0 < largest <= _DARK:
        log_once(
            "Some 16-bit images use 12 bits or fewer and lose most of their grey "
            "levels: at most 16 of 256 are left; multiply their values, or save them with 8 bits",
            path,
        )


def _largest_of(picture: Image.Image, path: Source) -> int:
    """About the largest 16-bit value of colours, of which Pillow has kept the upper bytes."""
    largest = max(high for _, high in picture.convert("RGB").getextrema())  # type: ignore[misc]
    if largest:
        return 256 * int(largest) + 255
    whole = read_unchanged(path)
    if whole is None:
        return 0
    # The fourth channel is opacity: full, however small the colours are.
    return int(whole[:, :, :3].max() if whole.ndim == 3 else whole.max())


def as_array(picture: Image.Image) -> Pixels:
    pixels = np.array(picture)
    return pixels[:, :, None] if pixels.ndim == 2 else pixels
