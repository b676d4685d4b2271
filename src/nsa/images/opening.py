"""Opening image files of any size and saying in one sentence why one cannot be read."""

from __future__ import annotations

import contextlib
import functools
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from PIL import ExifTags, Image, UnidentifiedImageError

from nsa.errors import InputError
from nsa.images.source import Source, open_source
from nsa.system.memory import available_memory

_log = logging.getLogger("nsa")

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM, 5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE, 8: Image.Transpose.ROTATE_90,
}  # fmt: skip
_LARGE = 1 << 26  # pixels from which on there may not be the memory
_BYTES_PER_PIXEL = 16  # decoded, turned, converted and copied
_said: set[str] = set()
_opening, _large = threading.Lock(), threading.RLock()
MORE_PAGES = "Some files have several pages or frames; the first is used"


@contextmanager
def opened(path: Source) -> Iterator[Image.Image]:
    """A file whose header is read; whatever a decoder raises becomes a sentence that names it.

    Raises:
        InputError: the file is missing, damaged, of an unknown kind, or too large for the memory
            there is.
    """
    # Of a name Pillow maps uncompressed pixels into memory, with the sides of an image that it
    # turns mixed up; of a stream it reads them.
    with (
        named_errors(path),
        open_source(path) as stream,
        _open_of_any_size(stream) as file,
        enough_memory(file.width * file.height, path),
    ):
        yield file


@contextmanager
def named_errors(path: Source) -> Iterator[None]:
    """Make a sentence that names the file of whatever a decoder raises.

    Raises:
        InputError: a decoder raised something.
    """
    try:
        yield
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"The image {path} does not exist.") from error
    except UnidentifiedImageError as error:
        raise InputError(f"{path} cannot be read: {_why_unidentified(path)}.") from error
    except MemoryError as error:
        raise InputError(f"{path} cannot be read: there is not enough memory.") from error
    except Exception as error:  # decoders raise anything, from TypeError to NotImplementedError
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise InputError(f"{path} cannot be read: {reason}.") from error


@contextmanager
def enough_memory(pixels: int, path: Source) -> Iterator[None]:
    """Let large images be decoded one after the other, or each would count on the memory of all.

    Raises:
        InputError: there is too little for this one.
    """
    with _large if pixels > _LARGE else contextlib.nullcontext():
        if pixels > _LARGE:
            _check_memory(pixels, path)
        yield


def upright(picture: Image.Image, file: Image.Image, path: Source) -> Image.Image:
    """The picture turned as the EXIF orientation of its file says, whatever other tags hold."""
    turn = _TURNS.get(_orientation(file, path))
    return picture if turn is None else picture.transpose(turn)


def upright_size(path: Source) -> tuple[int, int]:
    """Width and height of an image file as it is seen; its pixels are not decoded.

    Raises:
        InputError: as :func:`opened`.
    """
    with opened(path) as file:
        # Pillow turns TIFFs itself, and says so in their size from the start.
        turned = file.format != "TIFF" and _orientation(file, path) >= 5
        return (file.height, file.width) if turned else file.size


def log_once(message: str, path: Source) -> None:
    """Log a warning the first time only: thousands of files share one property."""
    if message not in _said:
        _said.add(message)
        _log.warning("%s (first: %s).", message, path)


def _orientation(file: Image.Image, path: Source) -> int:
    try:
        value = file.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # the pixels are intact, whatever these bytes are
        log_once("The EXIF data of some files are damaged; pixels are taken as they lie", path)
        return 1
    return value if isinstance(value, int) else 1


def _open_of_any_size(stream: BinaryIO) -> Image.Image:
    # Pillow's limit protects servers from small files that decode to gigabytes; here large line
    # scans are ordinary, and memory is checked instead. The limit is a global of Pillow's.
    with _opening:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return Image.open(stream, formats=_formats())
        finally:
            Image.MAX_IMAGE_PIXELS = limit


@functools.cache
def _formats() -> tuple[str, ...]:
    # Not all that Pillow knows: PostScript, say, is a program, which others would run.
    Image.init()
    known = ("PNG", "JPEG", "BMP", "TIFF", "WEBP", "GIF", "AVIF", "JPEG2000", "PPM")
    return tuple(name for name in known if name in Image.OPEN)


def _check_memory(pixels: int, path: Source) -> None:
    needed, there = _BYTES_PER_PIXEL * pixels, available_memory()
    if needed > there:
        raise InputError(
            f"{path} has {pixels / 1e6:,.0f} million pixels, which need {needed / 1e9:.1f} GB of "
            f"memory to be read, but {there / 1e9:.1f} GB are free; save it smaller or in parts."
        )


def _why_unidentified(path: Source) -> str:
    with open_source(path) as file:
        tiff = file.read(4) in (b"II*\0", b"MM\0*")
    if tiff:
        return (
            "it is damaged or its pixels are of an unusual kind, such as floating-point colour; "
            "save it with 8 or 16 bits a channel"
        )
    return "it is not an image or is damaged"
