"""Where the bytes of an image come from: a file, or memory."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias


@dataclass(frozen=True)
class ImageBytes:
    """A whole image file in memory, such as one that came over a network.

    Attributes:
        content: the bytes of the file.
        name: what messages call it; None: "The image".
    """

    content: bytes = field(repr=False)
    name: str | None = None

    def __str__(self) -> str:
        return self.name or "The image"


Source: TypeAlias = str | Path | ImageBytes


def open_source(source: Source) -> BinaryIO:
    """A stream of the bytes, to be closed by the caller.

    Raises:
        OSError: the file cannot be opened.
    """
    if isinstance(source, ImageBytes):
        return io.BytesIO(source.content)
    return Path(source).open("rb")


def read_unchanged(source: Source) -> Any:
    """The pixels as OpenCV reads them, of any depth, BGR; None: it cannot."""
    import cv2  # here, so that listing files needs neither
    import numpy as np

    if isinstance(source, ImageBytes):
        return cv2.imdecode(np.frombuffer(source.content, np.uint8), cv2.IMREAD_UNCHANGED)
    return cv2.imread(str(source), cv2.IMREAD_UNCHANGED)
