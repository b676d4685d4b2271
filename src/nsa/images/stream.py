"""Images at their own size, in groups that fit into memory, decoded ahead by several threads."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Executor, Future
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from nsa.system.interrupt import undisturbed

Item = TypeVar("Item")
Result = TypeVar("Result")
Pixels = npt.NDArray[np.uint8]


class HasBytes(Protocol):
    """An array, or what holds one."""

    @property
    def nbytes(self) -> int:
        """How much memory it takes."""


Image = TypeVar("Image", bound=HasBytes)

_IMAGES = 64  # of a group: what keeps a network busy
_BYTES = 128 << 20  # of a group, unless one image alone has more


def map_ahead(
    work: Callable[[Item], Result], items: Iterable[Item], pool: Executor, ahead: int
) -> Generator[Result, None, None]:
    """``map`` by the threads of a pool, never more than ``ahead`` results before the caller.

    Raises:
        Exception: whatever ``work`` raised, when its turn comes.
    """
    left = iter(items)
    waiting: deque[Future[Result]] = deque()
    try:
        while True:
            for item in itertools.islice(left, ahead - len(waiting)):
                with undisturbed():
                    waiting.append(pool.submit(work, item))
            if not waiting:
                return
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


def groups(images: Iterable[Image]) -> Iterator[list[Image]]:
    """Images in groups: a bounded number of images and of bytes, and at least one image."""
    group: list[Image] = []
    size = 0
    for image in images:
        if group and (len(group) == _IMAGES or size + image.nbytes > _BYTES):
            yield group
            group, size = [], 0
        group.append(image)
        size += image.nbytes
    if group:
        yield group
