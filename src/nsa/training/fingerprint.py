"""Whether all processes of a training have loaded the same images."""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from nsa.errors import InputError
from nsa.images.full_size import FullSizeImages


@dataclass(frozen=True)
class Fingerprint:
    """What tells one training set from another.

    Attributes:
        host: the machine that loaded it.
        count: number of images.
        names: hash of the file names in order; folders may differ between machines.
        pixels: hash of the images as loaded, or as decoded where they keep their own size.
    """

    host: str
    count: int
    names: str
    pixels: str

    @classmethod
    def of(cls, paths: Sequence[Path], images: Tensor | FullSizeImages) -> Fingerprint:
        """From files and what was loaded from them, uint8 (N, C, H, W) on the CPU or full size."""
        names = hashlib.sha256(b"\0".join(os.fsencode(path.name) for path in paths))
        if isinstance(images, Tensor):
            pixels = hashlib.sha256(str(tuple(images.shape)).encode())
            pixels.update(images.permute(0, 2, 3, 1).contiguous().numpy().data)
        else:
            pixels = hashlib.sha256(images.contents.digests.tobytes())
        return cls(socket.gethostname(), len(images), names.hexdigest(), pixels.hexdigest())


def compare(ranks: Sequence[Fingerprint]) -> None:
    """Check that all are the same apart from the host.

    Raises:
        InputError: two differ; the message says in what.
    """
    first = ranks[0]
    for number, other in enumerate(ranks):
        if other.count != first.count:
            difference = f"{other.count} training images, but rank 0 on {first.host} {first.count}"
        elif other.names != first.names:
            difference = f"training images of other names than rank 0 on {first.host}"
        elif other.pixels != first.pixels:
            difference = (
                f"images of the same names, but with other pixels, than rank 0 on {first.host}"
            )
        else:
            continue
        raise InputError(
            f"Rank {number} on {other.host} has {difference}; give all ranks the same data."
        )
