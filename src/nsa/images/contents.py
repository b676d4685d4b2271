"""What images hold, so that a picture is known again whatever its file is called.

Two things are kept of every image: a digest of its pixels as decoded, which is the same for renamed
files and lossless copies, and a small grey picture of it, which is nearly the same for the same
photograph saved as JPEG, resized or made a little brighter.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors.numpy
from PIL import Image
from safetensors import SafetensorError

from nsa.errors import InputError
from nsa.system.files import write_atomically
from nsa.system.places import named, unnamed

_log = logging.getLogger("nsa")

_DIGEST, _SIDE = 16, 16
_STRIP = 1 << 22  # pixels hashed at a time, so that a large image is not copied whole
_FEWEST = 50  # others, or nobody knows how alike these images usually are
_USUAL = 0.05  # quantile of the distances among them: pairs of the closest kind
_NEAR = 0.35  # of that distance
_SAMPLE, _BLOCK = 1000, 256


class Contents:
    """Digests and small pictures of some images, filled by :func:`nsa.images.load_images`.

    Args:
        paths: the N image files.

    Attributes:
        paths: the files, absolute.
        digests: uint8 (N, 16).
        pictures: float32 (N, 16, 16), grey levels.
    """

    def __init__(self, paths: Sequence[str | Path]) -> None:
        self.paths = [str(Path(path).resolve()) for path in paths]
        self.digests = np.zeros((len(paths), _DIGEST), dtype=np.uint8)
        self.pictures = np.zeros((len(paths), _SIDE, _SIDE), dtype=np.float32)

    def __len__(self) -> int:
        return len(self.paths)

    def note(self, index: int, picture: Image.Image) -> None:
        """Keep what image ``index`` holds; threads may note different ones at once.

        Args:
            index: of the image among the files.
            picture: of mode ``"L"`` or ``"RGB"``, at its own resolution.
        """
        self.digests[index] = np.frombuffer(_digest(picture), dtype=np.uint8)
        self.pictures[index] = _small(picture)

    def take(self, rows: Sequence[int]) -> Contents:
        """Those of some of the images."""
        taken = Contents([])
        taken.paths = [self.paths[row] for row in rows]
        taken.digests, taken.pictures = self.digests[list(rows)], self.pictures[list(rows)]
        return taken

    @classmethod
    def joined(cls, parts: Sequence[Contents]) -> Contents:
        """Those of several sets of images; what is in more than one of them is there once."""
        whole = cls([])
        whole.paths = [path for part in parts for path in part.paths]
        whole.digests = np.concatenate([whole.digests, *(part.digests for part in parts)])
        whole.pictures = np.concatenate([whole.pictures, *(part.pictures for part in parts)])
        return whole.take([row for row, first in enumerate(whole.firsts()) if row == first])

    def names(self) -> list[str]:
        """The digests as text."""
        return [digest.tobytes().hex() for digest in self.digests]

    def firsts(self) -> list[int]:
        """For each image the first one of the same content, which may be itself."""
        first: dict[str, int] = {}
        return [first.setdefault(name, index) for index, name in enumerate(self.names())]

    def different(self, what: str) -> list[int]:
        """The images that are the first of their content; the log says how many are left out.

        Args:
            what: the images are.
        """
        copies = self.copies()
        if copies:
            _log.warning(
                "%d of %d %s are copies of others, %s; each picture counts once.",
                len(copies), len(self), what, example(copies, self, self),
            )  # fmt: skip
        return [i for i in range(len(self)) if i not in copies]

    def copies(self) -> dict[int, int]:
        """The images that are an earlier one, too: their index -> that of the first."""
        return {i: first for i, first in enumerate(self.firsts()) if i != first}

    def copies_of(self, others: Contents) -> dict[int, int]:
        """The images that others are, too: their index -> that of the first such other."""
        known = {name: index for index, name in reversed([*enumerate(others.names())])}
        return {i: known[name] for i, name in enumerate(self.names()) if name in known}

    def near_copies_of(self, others: Contents) -> dict[int, int]:
        """The images that are almost, but not exactly, one of the others: index -> other's index.

        The small pictures are compared by their differences between neighbouring pixels, scaled
        to one length, so that an even change of brightness or contrast counts little. What is
        near depends on how alike the others are: less than 0.35 of a distance that 95 % of them
        keep from the rest, near copies among themselves aside, up to three of a picture. So a fixed
        camera and products of one kind are not near copies of each other; and where photographs
        differ by the camera's noise alone, only those copies are found that change less than the
        noise does. Mirrored, turned and cropped copies are not.

        Nothing is near where there are fewer than 50 different others to compare with.
        """
        copies, limit = self.copies_of(others), others._near()
        found, distances = _nearest(_differences(self.pictures), _differences(others.pictures))
        near = np.flatnonzero(distances < limit).tolist()
        return {row: int(found[row]) for row in near if row not in copies}

    def near_copies_within(self, others: Contents) -> dict[int, int]:
        """The images that are almost an earlier one of these: their index -> the other's index.

        Args:
            others: tell how alike such images usually are, see :meth:`near_copies_of`.
        """
        limit, rows = others._near(), np.arange(len(self))
        pictures = _differences(self.pictures)
        found, distances = _nearest(pictures, pictures, rows)
        pairs = {(min(i, found[i]), max(i, found[i])) for i in rows[distances < limit]}
        return {int(late): int(early) for early, late in sorted(pairs)}

    def _near(self) -> float:
        """Below which distance two images are near copies, as alike as these are."""
        copies = self.copies()
        different = [i for i in range(len(self)) if i not in copies]
        if len(different) < _FEWEST:
            return 0.0
        known = _differences(self.pictures[different])
        sample = np.arange(0, len(known), -(-len(known) // _SAMPLE))
        distances = _three_nearest(known[sample], known, sample)
        # Or a few pictures that are there twice would make a twin's distance the usual one.
        apart = distances >= _NEAR * np.median(distances[:, 2])
        apart[:, 2] = True
        others = distances[np.arange(len(distances)), apart.argmax(axis=1)]
        return _NEAR * float(np.quantile(others, _USUAL, method="lower"))

    def write(self, path: Path) -> None:
        """Write them as one file; it appears complete or not at all.

        Raises:
            InputError: it cannot be written.
        """
        listed = b"\0".join(os.fsencode(named(Path(path))) for path in self.paths)
        arrays: dict[str, npt.NDArray[Any]] = {
            "paths": np.frombuffer(listed, dtype=np.uint8),
            "digests": self.digests,
            "pictures": self.pictures,
        }
        write_atomically(path, safetensors.numpy.save(arrays))

    @classmethod
    def read(cls, path: Path) -> Contents:
        """What :meth:`write` wrote.

        Raises:
            InputError: it cannot be read, or is damaged.
        """
        try:
            arrays = safetensors.numpy.load(path.read_bytes())
            listed = arrays["paths"].tobytes()
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            raise InputError(f"{path} cannot be read ({error}); delete it.") from error
        contents = cls([])
        names = [os.fsdecode(name) for name in listed.split(b"\0")] if listed else []
        contents.paths = [unnamed(name) for name in names]
        for name in ("digests", "pictures"):
            empty, found = getattr(contents, name), arrays.get(name)
            shape = (len(contents), *empty.shape[1:])
            if found is None or found.dtype != empty.dtype or found.shape != shape:
                raise InputError(f"{path} is damaged; delete it.")
            if found.dtype.kind == "f" and not np.isfinite(found).all():
                raise InputError(f"{path} is damaged; delete it.")
            setattr(contents, name, found)
        return contents


def example(copies: dict[int, int], contents: Contents, others: Contents) -> str:
    """The first of some copies, for a message.

    Args:
        copies: index among the contents -> index among the others.
    """
    row, other = next(iter(copies.items()))
    path, original = contents.paths[row], others.paths[other]
    return f"such as {path}" + (f" of {original}" if path != original else "")


def _digest(picture: Image.Image) -> bytes:
    width, height = picture.size
    digest = hashlib.sha256(f"{picture.mode} {width} {height}".encode())
    rows = max(1, _STRIP // width)
    for top in range(0, height, rows):
        strip = (0, top, width, min(height, top + rows))
        whole = strip == (0, 0, width, height)
        digest.update((picture if whole else picture.crop(strip)).tobytes())
    return digest.digest()[:_DIGEST]


def _small(picture: Image.Image) -> npt.NDArray[np.float32]:
    # By a mean first where there are pixels to spare: its rounding hardly counts in the end.
    factor = max(1, min(picture.size) // 256)
    grey = picture.reduce(factor).convert("L").convert("F")
    return np.asarray(grey.resize((_SIDE, _SIDE), Image.Resampling.BILINEAR))


def _differences(pictures: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Rows of length 1, or 0 for even pictures: (N, 480)."""
    shape = len(pictures), _SIDE * (_SIDE - 1)
    steps = (np.diff(pictures, axis=axis).reshape(shape) for axis in (2, 1))
    rows = np.concatenate([*steps], axis=1)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(lengths, 1e-6), dtype=np.float32)


def _nearest(
    rows: npt.NDArray[np.float32],
    known: npt.NDArray[np.float32],
    own: npt.NDArray[np.int64] | None = None,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """For each row the nearest of the known ones, and its distance.

    Args:
        own: where the rows themselves are among the known ones, which do not count.
    """
    found = np.zeros(len(rows), dtype=np.int64)
    distances = np.full(len(rows), np.inf, dtype=np.float32)
    if len(known) < (1 if own is None else 2):
        return found, distances
    for first in range(0, len(rows), _BLOCK):
        part = slice(first, first + _BLOCK)
        products = rows[part] @ known.T
        if own is not None:
            products[np.arange(len(products)), own[part]] = -np.inf
        found[part] = products.argmax(axis=1)
        # Not from the product, whose rounding is as large as the square of a small distance.
        distances[part] = np.linalg.norm(rows[part] - known[found[part]], axis=1)
    return found, distances


def _three_nearest(
    rows: npt.NDArray[np.float32], known: npt.NDArray[np.float32], own: npt.NDArray[np.int64]
) -> npt.NDArray[np.float32]:
    """The distances of each row to the three nearest of at least four known ones, ascending.

    Args:
        own: where the rows themselves are among the known ones, which do not count.
    """
    distances = np.empty((len(rows), 3), dtype=np.float32)
    for first in range(0, len(rows), _BLOCK):
        part = slice(first, first + _BLOCK)
        products = rows[part] @ known.T
        products[np.arange(len(products)), own[part]] = -np.inf
        found = np.argpartition(products, -3, axis=1)[:, -3:]
        apart = np.linalg.norm(rows[part, None] - known[found], axis=2)
        distances[part] = np.sort(apart, axis=1)
    return distances
