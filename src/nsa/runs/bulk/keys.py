"""What a version of a file is known by: 16 bytes, so that those of millions fit into memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

LENGTH = 16
_HALF = LENGTH // 2
Keys = npt.NDArray[np.bytes_]
Halves = npt.NDArray[np.uint64]
Item = TypeVar("Item")


def key_of(name: str, size: int, version: str) -> bytes:
    """That of a file: the first half says which file it is, the second which version of it.

    Args:
        name: what tables call it.
    """
    return _digest(name) + _digest(f"{size} {version}")


class KnownKeys:
    """The keys of rows that are there already.

    Args:
        keys: of all of them, 16 bytes each.

    Attributes:
        repeated: halves of files that have several rows.
    """

    def __init__(self, keys: bytes) -> None:
        self._keys = as_keys(keys).copy()
        self._keys.sort()
        files = file_halves(self._keys)
        self.repeated: Halves = np.unique(files[1:][files[1:] == files[:-1]])

    def __len__(self) -> int:
        return len(self._keys)

    def know(self, keys: Keys) -> npt.NDArray[np.bool_]:
        """Which of the keys are among these."""
        if not len(self):
            return np.zeros(len(keys), bool)
        places = np.searchsorted(self._keys, keys)
        return np.asarray(self._keys[np.minimum(places, len(self) - 1)] == keys)


def as_keys(content: bytes) -> Keys:
    """Keys that follow one another, as an array."""
    return np.frombuffer(content, f"S{LENGTH}")


def key_bytes(column: pa.ChunkedArray) -> bytes:
    """The keys of a column, one after the other."""
    return b"".join(
        memoryview(chunk.buffers()[1])[chunk.offset * LENGTH : (chunk.offset + len(chunk)) * LENGTH]
        for chunk in column.chunks
        if len(chunk)
    )


def key_array(column: pa.ChunkedArray) -> Keys:
    """The keys of a column as :func:`as_keys` has them."""
    return as_keys(key_bytes(column))


def file_halves(keys: Keys) -> Halves:
    """The half of each key that says which file it is; ordered as the keys are."""
    return keys.view(np.dtype(">u8")).reshape(-1, 2)[:, 0].astype(np.uint64)


def chunked(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Items in lists of a size; the last may be shorter."""
    chunk: list[Item] = []
    for item in items:
        chunk.append(item)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=_HALF).digest()
