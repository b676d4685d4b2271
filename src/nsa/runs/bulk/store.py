"""Where results go: a folder of this machine's file systems, or one at a URL."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from nsa.errors import InputError
from nsa.runs.bulk.turn import NAME as TURN
from nsa.runs.bulk.turn import Turn
from nsa.system import urls
from nsa.system.files import make_folder, remove, remove_unfinished, write_atomically
from nsa.system.lock import FolderLock
from nsa.system.places import as_path, protocol_of
from nsa.system.readers import read_text
from nsa.system.url_errors import NothingThereError


class Store(Protocol):
    """A folder of files, each of which is there whole or not at all."""

    def lock(self) -> AbstractContextManager[None]:
        """Make the folder, and keep other calls from it."""

    def is_empty(self) -> bool:
        """Whether nothing is in it, or there is no such folder."""

    def names(self, folder: str, suffix: str) -> list[str]:
        """The files directly in a folder of it that end so, sorted: ``folder/name``."""

    def content(self, name: str) -> Path | bytes:
        """A file, as :func:`nsa.system.readers.read_parquet` takes it."""

    def text(self, name: str) -> str | None:
        """A text file; None: there is none."""

    def write(self, name: str, content: bytes) -> None:
        """Replace a file."""

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""


class LocalStore:
    """A :class:`Store` in a folder."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __str__(self) -> str:
        return str(self._path)

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        make_folder(self._path)
        with FolderLock(self._path):
            for folder in self._path.iterdir():
                if folder.is_dir():
                    remove_unfinished(folder)
            yield

    def is_empty(self) -> bool:
        if self._path.exists() and not self._path.is_dir():
            raise InputError(f"{self._path} is a file, not a folder; choose another --output.")
        # Other hidden files, as file managers leave them, are nobody's results.
        return not self._path.exists() or all(
            entry.name.startswith(".") for entry in self._path.iterdir()
        )

    def names(self, folder: str, suffix: str) -> list[str]:
        found = (self._path / folder).glob(f"[!.]*{suffix}")
        return sorted(f"{folder}/{path.name}" for path in found)

    def content(self, name: str) -> Path | bytes:
        return self._path / name

    def text(self, name: str) -> str | None:
        path = self._path / name
        return read_text(path, errors="replace") if path.is_file() else None

    def write(self, name: str, content: bytes) -> None:
        path = self._path / name
        make_folder(path.parent)
        write_atomically(path, content)

    def remove(self, name: str) -> None:
        remove(self._path / name)


class UrlStore:
    """A :class:`Store` at a URL, without a slash at its end."""

    def __init__(self, url: str) -> None:
        self._url, self._turn = url, Turn(url)

    def __str__(self) -> str:
        return self._url

    def lock(self) -> AbstractContextManager[None]:
        return self._turn

    def is_empty(self) -> bool:
        try:
            return all(entry.url == urls.joined(self._url, TURN) for entry in urls.walk(self._url))
        except NothingThereError:
            return True

    def names(self, folder: str, suffix: str) -> list[str]:
        if not urls.exists(self._url):
            return []
        # From above: in some stores there are folders with nothing in them, which are errors.
        found = [
            entry.url.removeprefix(f"{self._url}/") for entry in urls.walk(self._url, [suffix])
        ]
        return sorted(
            name for name in found if re.fullmatch(rf"{re.escape(folder)}/[^./][^/]*", name)
        )

    def content(self, name: str) -> Path | bytes:
        return urls.read(urls.joined(self._url, name))

    def text(self, name: str) -> str | None:
        url = urls.joined(self._url, name)
        if not urls.exists(url):
            return None
        return urls.read(url).decode(errors="replace")

    def write(self, name: str, content: bytes) -> None:
        self._turn.check()
        urls.write(urls.joined(self._url, name), content)

    def remove(self, name: str) -> None:
        self._turn.check()
        urls.remove(urls.joined(self._url, name))


def open_store(output: str) -> LocalStore | UrlStore:
    """The folder that is meant by a path or a URL.

    Raises:
        InputError: the URL names nothing.
    """
    if urls.is_url(output):
        url = urls.cleaned(output)
        if protocol_of(url) not in ("file", "local"):
            return UrlStore(url)
    return LocalStore(as_path(output))
