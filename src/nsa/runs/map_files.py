"""Maps in files: as they are, or as benchmark servers want them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from nsa.errors import InputError
from nsa.images.opening import log_once
from nsa.system.files import atomic_file

NPY, TIFF16 = "npy", "tiff16"
ENDINGS = {NPY: ".npy", TIFF16: ".tiff"}  # of file names, by format
_LARGEST = float(np.finfo(np.float16).max)


def map_ending(kind: str) -> str:
    """What the names of files of a format end in.

    Raises:
        InputError: there is no such format.
    """
    if kind not in ENDINGS:
        raise InputError(f"--map-format must be {' or '.join(ENDINGS)}, got {kind!r}.")
    return ENDINGS[kind]


def write_map(path: Path, pixels: npt.NDArray[np.float32]) -> None:
    """Write a map, float32 (H, W), in the format that the ending of ``path`` means.

    ``.npy`` holds it as it is. ``.tiff`` holds it rounded to float16, in one uncompressed channel,
    as the server of MVTec AD 2 reads maps; what lies beyond the range of float16, 65504 on either
    side, becomes the nearest number in it.

    Raises:
        InputError: the file cannot be written.
    """
    if path.suffix == ENDINGS[NPY]:
        with atomic_file(path) as file:
            np.save(file, pixels)
        return
    import tifffile  # for the few who want it

    if max(pixels.max(), -pixels.min()) > _LARGEST:
        log_once(f"Some maps have values beyond {_LARGEST:.0f}, the largest of float16", path)
    half = pixels.clip(-_LARGEST, _LARGEST).astype(np.float16)
    with atomic_file(path) as file:
        tifffile.imwrite(file, half, photometric="minisblack", metadata=None)
