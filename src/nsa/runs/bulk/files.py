"""The images a user means, as a stream: those in folders and below them, and those at URLs."""

from __future__ import annotations

import contextlib
import itertools
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from nsa.errors import InputError
from nsa.images.files import PYDICOM, has_pydicom, is_dicom, is_named_image, suffix_list
from nsa.system import urls
from nsa.system.places import as_path
from nsa.system.urls import is_url

Told = Callable[[str, str], None]  # gets a place, and what is wrong: "cannot be read: ..."


class File(NamedTuple):
    """An image file.

    Attributes:
        place: its absolute path, or its URL.
        size: in bytes; -1: the store does not say.
        version: another whenever the file is: when it was changed, in ns, or what a store has.
    """

    place: str
    size: int
    version: str


def name_of(place: str) -> str:
    """What tables call a place: a path that is no text, which they cannot hold, as ``file://``."""
    try:
        place.encode()
    except UnicodeEncodeError:
        return Path(place).as_uri()
    return place


class Source:
    """A folder with all that lie below it, a file, or a URL of one of them.

    Hidden files and folders are left out, and links to folders are not followed.

    Args:
        given: as a person names it.

    Attributes:
        place: the same, absolute.

    Raises:
        InputError: nothing is there, or a file that is no image.
    """

    def __init__(self, given: str) -> None:
        self._given = given
        if is_url(given):
            self.place = urls.cleaned(given)
            return
        path = as_path(given)
        if not path.exists():
            raise InputError(f"{given} does not exist; check the path.")
        self._is_file = path.is_file()
        if self._is_file and is_dicom(path) and not has_pydicom():
            raise InputError(f"{given} is a DICOM file, which pydicom reads: {PYDICOM}.")
        if self._is_file and not is_named_image(path):
            raise InputError(f"{given} is not an image file; known are {suffix_list()}.")
        # The name of a file stays, though it be a link.
        self.place = str(path.parent.resolve() / path.name if self._is_file else path.resolve())

    def files(self, told: Told) -> Iterator[File]:
        """Its images, as they are listed.

        Raises:
            InputError: there are none, or a URL cannot be listed.
        """
        reasons: list[str] = []

        def noting(place: str, reason: str) -> None:
            reasons.append(f"{name_of(place)} {reason}")
            told(place, reason)

        found = self._files(noting)
        first = next(found, None)
        if first is None and reasons:
            raise InputError(reasons[0])
        if first is None:
            raise InputError(
                f"{self._given} holds no images, nor does any folder below it ({suffix_list()}); "
                "add some, or name another place."
            )
        return itertools.chain([first], found)

    def has(self, name: str) -> bool:
        """Whether a place that tables call so is one of this source."""
        return any(
            name == place or name.startswith(place.rstrip("/") + "/")
            for place in {self.place, _as_uri(self.place)}
        )

    def _files(self, told: Told) -> Iterator[File]:
        if is_url(self.place):
            for entry in urls.walk(self.place):
                hidden = "/." in f"/{entry.url[len(self.place) :].lstrip('/')}"
                if is_named_image(Path(entry.url)) and not hidden:
                    yield File(*entry)
        elif self._is_file:
            yield from _file(self.place, Path(self.place).stat, told)
        else:
            yield from _below(self.place, told)


def open_sources(given: Sequence[str]) -> list[Source]:
    """Those a user names.

    Raises:
        InputError: one cannot be used, or lies within another.
    """
    sources = [Source(one) for one in given]
    for one, other in itertools.permutations(sources, 2):
        if other.has(name_of(one.place)):
            raise InputError(f"{one.place} is named twice, alone or by a folder; name it once.")
    return sources


def read(place: str) -> bytes:
    """The content of a file.

    Raises:
        StoreError: it is at a URL, where no file can be read.
        NotReachedError: it is at a URL, where another try may read it.
        InputError: it cannot be read.
    """
    if is_url(place):
        return urls.read(place)
    try:
        return Path(place).read_bytes()
    except OSError as error:
        why = error.strerror or error
        raise InputError(f"{name_of(place)} cannot be read: {why}.") from error


def _below(folder: str, told: Told) -> Iterator[File]:
    """Images below a folder, one folder after the other; none is listed as a whole."""
    left = [folder]
    while left:
        place = left.pop()
        try:
            with os.scandir(place) as entries:
                for entry in entries:
                    if entry.name.startswith("."):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        left.append(entry.path)
                    elif is_named_image(Path(entry.name)):
                        yield from _file(entry.path, entry.stat, told)
        except FileNotFoundError:  # gone since it was listed
            continue
        except OSError as error:
            told(place, f"cannot be listed: {error.strerror or error}.")


def _file(place: str, status: Callable[[], os.stat_result], told: Told) -> Iterator[File]:
    try:
        found = status()
    except OSError as error:
        if os.path.lexists(place):  # a broken link; else it is gone since it was listed
            told(place, f"cannot be read: {error.strerror or error}.")
        return
    if stat.S_ISREG(found.st_mode):  # no folder, nor a pipe that nobody writes to
        yield File(place, found.st_size, str(found.st_mtime_ns))


def _as_uri(place: str) -> str:
    if is_url(place):
        return place
    with contextlib.suppress(ValueError):
        return Path(place).as_uri()
    return place
