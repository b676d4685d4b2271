"""Which values of more than 8 bits are black and white, decided from the training images.

A camera of 12 bits whose files have 16 fills a sixteenth of their range. So the range is that of
the data set's own values, one for all images, which stay comparable in brightness.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nsa.errors import InputError
from nsa.images.deep import takes_levels, values_of
from nsa.images.dicom import dicom_values
from nsa.images.files import is_dicom
from nsa.images.opening import opened
from nsa.settings.config import Levels
from nsa.system.console import counted
from nsa.system.cores import usable_cores

_log = logging.getLogger("nsa")

_SAMPLE = 64  # files, evenly chosen
_AT_ONCE = 4  # counting takes eight bytes a value
_CUT = 1e-4  # share of all values at either end: hot and dead pixels
_MARGIN = 0.05  # of the range, on either side: what is new may be a little darker or brighter
_LEAST = 255  # between black and white: a step of the values is one grey level at most
_MOST = (1 << 16) - 1


def find_levels(paths: Sequence[str | Path]) -> Levels | None:
    """The values that become black and white, from up to 64 of the images, evenly chosen.

    The smallest and the largest of all their values, without a ten-thousandth at either end, which
    hot pixels may have, and with 5 % of the range beyond each. The log says what they are, and
    warns of sets in which some images have 8 bits and others more. A file that cannot be read is
    left out: loading all of them says so.

    Args:
        paths: the training images.

    Returns:
        Low and high, at least 255 apart; None where no image has more than 8 bits.
    """
    count = min(len(paths), _SAMPLE)
    chosen = [paths[round(row)] for row in np.linspace(0, len(paths) - 1, count)]
    histogram = np.zeros(_MOST + 1, dtype=np.int64)
    deep: list[int] = []
    shallow: list[int] = []
    lock = threading.Lock()

    def look(index: int) -> None:
        try:
            values = _deep_values(chosen[index])
        except InputError:
            return
        counts = None if values is None else np.bincount(values.ravel(), minlength=_MOST + 1)
        with lock:
            (shallow if counts is None else deep).append(index)
            if counts is not None:
                histogram[:] += counts

    with ThreadPoolExecutor(min(_AT_ONCE, usable_cores())) as pool:
        list(pool.map(look, range(count)))
    if not deep:
        return None
    levels = _range_of(histogram)
    _log.info(
        "16-bit images: values from %d to %d (of %s) are taken as black to white; kept with the "
        "run.", *levels, counted(len(deep), "image"),
    )  # fmt: skip
    if shallow:
        _log.warning(
            "Some images have 16 bits, such as %s, and others 8 bits or a window of their own, such"
            " as %s, which these values do not concern: they may differ in brightness.",
            chosen[min(deep)], chosen[min(shallow)],
        )  # fmt: skip
    return levels


def _deep_values(path: str | Path) -> npt.NDArray[np.uint16] | None:
    """The values of a file, without opacity; None: it has 8 bits, or a fixed window."""
    if is_dicom(path):
        return dicom_values(path)
    with opened(path) as file:
        if not takes_levels(file):
            return None
        file.load()
        values = values_of(file, path)
        return values[:, :, :3] if values.ndim == 3 else values


def _range_of(histogram: npt.NDArray[np.int64]) -> Levels:
    below = np.cumsum(histogram)
    cut = int(_CUT * below[-1])
    low = int(np.searchsorted(below, cut, "right"))
    high = int(np.searchsorted(below, below[-1] - cut))
    lacking = -(-(_LEAST - (high - low)) // 2)
    margin = max(round(_MARGIN * (high - low)), lacking)
    # At the ends of the 16 bits it keeps its least width, too.
    return max(0, min(low - margin, _MOST - _LEAST)), min(_MOST, max(high + margin, _LEAST))
