"""Any image file a camera or an editor may leave, as 8-bit grey or RGB.

What is done to each kind of file:

* palette and 1-bit images are expanded, CMYK and other colour spaces converted to RGB;
* the EXIF orientation is applied, so that pixels lie as the photographer saw them;
* an alpha channel is dropped where it is opaque, else the image is composited on black, the value
  that editors leave under fully transparent pixels;
* 16-bit grey is scaled by 255 / 65535, the same for every file, so that brightness stays
  comparable between images; 32-bit integer and floating-point pixels have no such fixed range and
  are refused;
* of a file with several pages the first is read.
"""

from __future__ import annotations

import logging
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from nsa.errors import InputError
from nsa.images.files import find_images

_log = logging.getLogger("nsa")

# Everything Pillow's decoders raise on damaged files.
_DECODER_ERRORS = (
    OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, OverflowError,
    struct.error, zlib.error, Image.DecompressionBombError,
)  # fmt: skip
_LOSSY = ("JPEG", "WEBP")
_said: set[str] = set()
Pixels = npt.NDArray[np.uint8]


def read_image(path: str | Path, channels: int = 3) -> Pixels:
    """Decode one file at its own resolution.

    Args:
        path: the image file.
        channels: 3 for RGB, 1 for grey.

    Returns:
        uint8 (height, width, channels).

    Raises:
        InputError: the file is missing, damaged or of an unknown kind; the message names it.
    """
    return _interleaved(decode(path, channels))


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
    return _interleaved(scale(picture, size))


def load_mask(
    path: str | Path, size: tuple[int, int] | None, image: str | Path | None = None
) -> npt.NDArray[np.uint8]:
    """Read a defect mask, resized by nearest neighbour.

    Every pixel that is not black counts as defect, so masks of 0 and 1 and of 0 and 255 mean the
    same; in lossy files (JPEG, WebP), where black is not kept, it must be above half.

    Args:
        path: the mask file, or a folder of masks of one image, whose union is returned.
        size: (height, width) of the result; None: the mask's own.
        image: the image the mask belongs to; if given, both must be of one size.

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
        return _scaled_mask(np.maximum.reduce(parts), size)
    with _naming(path), Image.open(path) as file:
        lossy = file.format in _LOSSY
        upright = ImageOps.exif_transpose(file)
        if upright.mode not in ("L", "1", "F") and not upright.mode.startswith("I"):
            upright = upright.convert("RGB")
        pixels = np.asarray(upright)
    if image is not None:
        _check_same_size(Path(path), pixels.shape[1], pixels.shape[0], Path(image))
    if pixels.ndim == 3:
        pixels = pixels.max(axis=2)
    binary = (pixels > (127 if lossy else 0)).astype(np.uint8)
    return _scaled_mask(binary, size)


def _scaled_mask(binary: Pixels, size: tuple[int, int] | None) -> Pixels:
    if size is None or binary.shape == tuple(size):
        return binary
    height, width = size
    return np.array(Image.fromarray(binary).resize((width, height), Image.Resampling.NEAREST))


def decode(path: str | Path, channels: int) -> Image.Image:
    """Decode one file to a Pillow image of mode ``"L"`` or ``"RGB"`` at its own resolution.

    Raises:
        InputError: as :func:`read_image`.
    """
    check_channels(channels)
    with _naming(path), Image.open(path) as file:
        if getattr(file, "n_frames", 1) > 1:
            _log_once("Some files have several pages or frames; the first is used", path)
        file.load()
        mode = "RGB" if channels == 3 else "L"
        return _eight_bits(ImageOps.exif_transpose(file), path).convert(mode)


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


def _eight_bits(picture: Image.Image, path: str | Path) -> Image.Image:
    """The picture in a mode that converts to grey or RGB with no surprise."""
    if picture.mode.startswith("I") or picture.mode == "F":
        return _from_deep_grey(picture, path)
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        if picture.getchannel("A").getextrema() != (255, 255):
            _log_once("Some images are partly transparent; they are composited on black", path)
            black = Image.new("RGBA", picture.size, (0, 0, 0, 255))
            picture = Image.alpha_composite(black, picture)
        return picture.convert("RGB")
    return picture.convert("RGB") if picture.mode not in ("1", "L") else picture


def _from_deep_grey(picture: Image.Image, path: str | Path) -> Image.Image:
    """16-bit grey (modes ``I;16*``, and ``I`` for PGM) scaled to 8 bits."""
    pixels = np.asarray(picture)
    if picture.mode == "F" or pixels.min() < 0 or pixels.max() > 65535:
        raise InputError(
            f"{path} has 32-bit pixels, whose range is not fixed; save it with 8 or 16 bits."
        )
    if 255 < pixels.max() < 4096:
        _log_once("16-bit images that use 12 bits or fewer come out dark; rescale them", path)
    wide = pixels.astype(np.uint32)
    return Image.fromarray(((wide * 255 + 32767) // 65535).astype(np.uint8))


def _check_same_size(path: Path, width: int, height: int, image: Path) -> None:
    with _naming(image), Image.open(image) as file:
        expected = ImageOps.exif_transpose(file).size
    if expected != (width, height):
        raise InputError(
            f"The mask {path} is {width} x {height} pixels, but its image {image} is "
            f"{expected[0]} x {expected[1]}; they must be of one size."
        )


def _interleaved(picture: Image.Image) -> Pixels:
    pixels = np.array(picture)
    return pixels[:, :, None] if pixels.ndim == 2 else pixels


@contextmanager
def _naming(path: str | Path) -> Iterator[None]:
    """Turn whatever a decoder raises into one sentence that names the file."""
    try:
        yield
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"The image {path} does not exist.") from error
    except UnidentifiedImageError as error:
        raise InputError(f"{path} cannot be read: it is not an image or is damaged.") from error
    except _DECODER_ERRORS as error:
        reason = str(error).rstrip(".") or type(error).__name__
        raise InputError(f"{path} cannot be read: {reason}.") from error


def _log_once(message: str, path: str | Path) -> None:
    """Log a warning the first time only: thousands of files share one property."""
    if message not in _said:
        _said.add(message)
        _log.warning("%s (first: %s).", message, path)
