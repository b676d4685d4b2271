"""How much a server takes at a time: bytes, pixels and images."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass

from fastapi import HTTPException

BYTES_PER_PIXEL = 24  # decoded, judged and drawn: image, map, their copies, and the picture


@dataclass(frozen=True)
class Limits:
    """What a request may have.

    Attributes:
        max_bytes: of its body.
        max_pixels: of each image, by its header.
        images: of all requests that are being answered, beyond which others are refused.
        memory: bytes that all of them may need, bodies and images.
    """

    max_bytes: int
    max_pixels: int
    images: int
    memory: int


class Room:
    """What requests hold at present, of all that they may."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._lock = threading.Lock()
        self._images = self._memory = 0

    @property
    def images(self) -> int:
        """Images of requests that are being answered."""
        return self._images

    @contextlib.contextmanager
    def lease(self) -> Iterator[Lease]:
        """What one request holds, until the block ends."""
        lease = Lease(self)
        try:
            yield lease
        finally:
            self.change(-lease.images, -lease.memory)

    def change(self, images: int, memory: int) -> bool:
        """Take or give back; whether there was room."""
        with self._lock:
            after = self._images + images, self._memory + memory
            full = after[0] > self.limits.images or after[1] > self.limits.memory
            if full and images >= 0 and memory >= 0:
                return False
            self._images, self._memory = after
            return True


class Lease:
    """What one request holds of a :class:`Room`."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self.images = self.memory = 0

    def take(self, *, images: int = 0, memory: int = 0) -> None:
        """Hold more.

        Raises:
            HTTPException: 503, there is no room at present; 413, there never is.
        """
        limits = self._room.limits
        if self.images + images > limits.images:
            raise HTTPException(413, f"At most {limits.images} images are taken in one request.")
        if self.memory + memory > limits.memory:
            raise HTTPException(
                413, "The request needs more memory than the server has; send smaller images."
            )
        if not self._room.change(images, memory):
            raise HTTPException(
                503, "The server is busy; send the request again later.", {"Retry-After": "1"}
            )
        self.images += images
        self.memory += memory
