"""DICOM files as 8-bit grey or RGB, read by pydicom, an optional dependency: ``nsa[dicom]``.

What is done to the first frame of a file:

* colours (RGB, YBR, palette) become 8-bit RGB, whatever the window and the levels are;
* grey with a window of its own (its first VOI lookup table, else its first window) gets that one:
  what the window calls black is 0 and white 255. Levels do not concern such files;
* other grey of more than 8 bits is scaled by levels, where there are some: of its modality values
  (rescale slope and intercept applied, rounded), 32,768 higher where they can be negative, since
  levels are from 0 to 65,535. So files of one set have one scale, unless the values of some can
  be negative and those of others cannot;
* without levels the bits that the file says it uses become 0 to 255;
* MONOCHROME1, where the smallest value is white, is turned round: after a window, else before
  anything else.

The windows of enhanced multi-frame files, which stand elsewhere, are not read.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from nsa.errors import InputError
from nsa.images.deep import Values, scaled
from nsa.images.files import PYDICOM, has_pydicom
from nsa.images.opening import MORE_PAGES, enough_memory, log_once, named_errors
from nsa.images.source import ImageBytes, Source, open_source
from nsa.settings.config import Levels

_SIGNED = 1 << 15  # added to modality values that can be negative
_MOST = (1 << 16) - 1
# The transfer syntax that is inflated as a whole before anything is known of its size.
_DEFLATED = b"1.2.840.10008.1.2.1.99"
_FAR = 20  # widths of a window from its centre, where even a sigmoid has ended


def dicom_size(path: Source) -> tuple[int, int]:
    """Width and height of a file; its pixels are not decoded.

    Raises:
        InputError: it cannot be read, or pydicom is not installed.
    """
    with _opened(path, stop_before_pixels=True) as data:
        return int(data.Columns), int(data.Rows)


def dicom_picture(path: Source, levels: Levels | None = None) -> Image.Image:
    """The first frame of a file, of mode ``"L"`` or ``"RGB"``.

    Args:
        levels: (low, high), the values that become 0 and 255, see above; None: there are none.

    Raises:
        InputError: it cannot be read, or pydicom is not installed.
    """
    with _opened(path) as data:
        if int(data.get("NumberOfFrames") or 1) > 1:
            log_once(MORE_PAGES, path)
        stored = _stored(data, path)
        if not _is_grey(data):
            return Image.fromarray(_eight_bit_colours(stored, data))
        if _has_window(data):
            grey = _windowed(stored, data)
            return Image.fromarray(255 - grey if _white_is_zero(data) else grey)
        if levels is not None and data.BitsStored > 8:
            return Image.fromarray(scaled(_modality_values(stored, data), levels, path))
        low, high = _stored_range(data)
        return Image.fromarray(_to_bytes(_black_is_zero(stored, data), low, high))


def dicom_values(path: Source) -> Values | None:
    """The values (H, W) that levels concern; None: they concern nothing in this file.

    Raises:
        InputError: it cannot be read, or pydicom is not installed.
    """
    with _opened(path) as data:
        if not _is_grey(data) or _has_window(data) or data.BitsStored <= 8:
            return None
        return _modality_values(_stored(data, path), data)


@contextmanager
def _opened(path: Source, *, stop_before_pixels: bool = False) -> Iterator[Any]:
    if not has_pydicom():
        raise InputError(f"{path} is a DICOM file, which pydicom reads: {PYDICOM}.")
    from pydicom import dcmread
    from pydicom.errors import InvalidDicomError

    with named_errors(path):
        if isinstance(path, ImageBytes) and _DEFLATED in path.content:
            raise InputError(f"{path} is deflated DICOM, of unknown size; save it otherwise.")
        try:
            with open_source(path) as stream:
                data = dcmread(stream, stop_before_pixels=stop_before_pixels)
        except InvalidDicomError as error:
            raise InputError(f"{path} cannot be read: it is not DICOM or is damaged.") from error
        if "Rows" not in data or "Columns" not in data:
            raise InputError(f"{path} holds no image; remove it.")
        with enough_memory(data.Rows * data.Columns, path):
            yield data


def _stored(data: Any, path: Source) -> npt.NDArray[Any]:
    """The first frame as it is stored, decompressed; colours as RGB, palettes as numbers."""
    from pydicom.pixels import get_decoder, pixel_array

    syntax = data.file_meta.TransferSyntaxUID
    try:
        usable = get_decoder(syntax).is_available
    except NotImplementedError:
        usable = False
    if not usable:
        raise InputError(
            f"{path} is compressed in a way ({syntax.name}) for which pydicom finds no decoder; "
            "pip install 'pylibjpeg[all]', or save it uncompressed."
        )
    return np.asarray(pixel_array(data, index=0))


def _is_grey(data: Any) -> bool:
    return str(data.PhotometricInterpretation).startswith("MONOCHROME")


def _white_is_zero(data: Any) -> bool:
    return bool(data.PhotometricInterpretation == "MONOCHROME1")


def _has_window(data: Any) -> bool:
    both = (data.get("WindowCenter"), data.get("WindowWidth"))
    return bool(data.get("VOILUTSequence")) or None not in both


def _windowed(stored: npt.NDArray[Any], data: Any) -> npt.NDArray[np.uint8]:
    """Grey values by the file's own first window, from 0 to 255."""
    from pydicom.pixels import apply_modality_lut, apply_voi, apply_windowing

    values = apply_modality_lut(stored, data)
    if data.get("VOILUTSequence"):
        bits = data.VOILUTSequence[0].LUTDescriptor[2]
        return _to_bytes(apply_voi(np.rint(values).astype(np.int64), data), 0, (1 << bits) - 1)
    # The range that comes out depends on several fields; its ends say what it is.
    centre, width = (_first(data[name]) for name in ("WindowCenter", "WindowWidth"))
    ends = np.array([centre - _FAR * width, centre + _FAR * width])
    low, high = apply_windowing(ends, data).tolist()
    return _to_bytes(apply_windowing(values, data), low, high)


def _first(element: Any) -> float:
    return float(element.value[0] if element.VM > 1 else element.value)


def _modality_values(stored: npt.NDArray[Any], data: Any) -> Values:
    """Values that files of one set have in common, from 0 for black to 65,535."""
    from pydicom.pixels import apply_modality_lut

    values = np.rint(apply_modality_lut(_black_is_zero(stored, data), data)).astype(np.float64)
    negative = data.PixelRepresentation == 1 or float(data.get("RescaleIntercept") or 0) < 0
    values += _SIGNED if negative else 0
    return np.asarray(values.clip(0, _MOST), dtype=np.uint16)


def _black_is_zero(stored: npt.NDArray[Any], data: Any) -> npt.NDArray[np.int64]:
    """Stored values, turned round within their bits where the smallest is white."""
    values = stored.astype(np.int64)
    return sum(_stored_range(data)) - values if _white_is_zero(data) else values


def _stored_range(data: Any) -> tuple[int, int]:
    bits = int(data.BitsStored)
    least = -(1 << (bits - 1)) if data.PixelRepresentation == 1 else 0
    return least, least + (1 << bits) - 1


def _eight_bit_colours(stored: npt.NDArray[Any], data: Any) -> npt.NDArray[np.uint8]:
    from pydicom.pixels import apply_color_lut

    if data.PhotometricInterpretation == "PALETTE COLOR":
        colours = apply_color_lut(stored, data)
        return _to_bytes(colours[:, :, :3], 0, int(np.iinfo(colours.dtype).max))
    return _to_bytes(stored, 0, (1 << int(data.BitsStored)) - 1)


def _to_bytes(values: npt.NDArray[Any], low: float, high: float) -> npt.NDArray[np.uint8]:
    """Linear from 0 at ``low`` to 255 at ``high``."""
    shares = (values.astype(np.float64) - low) / (high - low)
    return np.asarray(np.rint(255 * shares.clip(0, 1)), dtype=np.uint8)
