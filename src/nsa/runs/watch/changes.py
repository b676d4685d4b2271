"""Image files below a folder, and what the operating system tells of their changes."""

from __future__ import annotations

import importlib.util
import logging
import os
import queue
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from nsa.errors import InputError
from nsa.images.files import is_named_image, natural_key
from nsa.system.console import as_argument

if TYPE_CHECKING:
    from typing_extensions import Self

_log = logging.getLogger("nsa")
_READING = ("opened", "closed_no_write")
_APPEARING = ("created", "moved")


class Version(NamedTuple):
    """What a file is known by beside its path.

    Attributes:
        size: in bytes.
        mtime: when it was last changed, in ns.
    """

    size: int
    mtime: int


def version_of(path: Path) -> Version | None:
    """That of a file as it is now; None: there is none, or it cannot be reached."""
    try:
        found = path.stat()
    except OSError:
        return None
    return Version(found.st_size, found.st_mtime_ns) if stat.S_ISREG(found.st_mode) else None


def scan(folder: Path) -> list[tuple[Path, Version]]:
    """All images below a folder, the oldest first.

    Hidden files and folders are left out, and links to folders are not followed.
    """
    found = []
    for place, folders, names in os.walk(folder, onerror=_cannot_read):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for path in (Path(place, name) for name in names):
            version = version_of(path) if is_named_image(path) else None
            if version is not None:
                found.append((path, version))
    return sorted(found, key=lambda one: (one[1].mtime, natural_key(one[0])))


def _cannot_read(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):  # gone since it was listed
        _log.warning("%s cannot be read: %s.", error.filename, error.strerror)


class Change(NamedTuple):
    """Something that has happened.

    Attributes:
        path: of a file or a folder.
        is_folder: which of them.
        complete: whether the file is whole, as far as anybody can tell: it was closed by who wrote
            it, or has got this name.
    """

    path: Path
    is_folder: bool
    complete: bool


class Events:
    """What the operating system tells of everything below a folder, while a ``with`` block lasts.

    It may forget something where much happens at once, or over a network: whoever must miss nothing
    also looks with :func:`scan` now and then.

    Attributes:
        folder_gone: whether the folder itself has been removed.

    Raises:
        InputError: the package watchdog is missing, or the system cannot watch so many folders.
    """

    def __init__(self, folder: Path) -> None:
        if importlib.util.find_spec("watchdog") is None:
            raise InputError(
                "New files are noticed by the package watchdog, which is not installed: pip "
                "install watchdog; or add --poll, which looks into the folder every second."
            )
        self._folder = folder
        self._queue: queue.SimpleQueue[Change] = queue.SimpleQueue()
        self.folder_gone = False

    def __enter__(self) -> Self:
        from watchdog.observers import Observer

        self._observer = Observer()
        try:
            self._observer.schedule(self, str(self._folder), recursive=True)
            self._observer.start()
        except OSError as error:
            raise InputError(
                f"The system cannot watch {self._folder} ({error.strerror or error}); add --poll, "
                "which looks into the folder every second."
            ) from error
        return self

    def __exit__(self, *_: object) -> None:
        self._observer.stop()
        self._observer.join()

    def dispatch(self, event: Any) -> None:
        """Take an event of watchdog's, in its thread."""
        moved = event.event_type == "moved"
        path = Path(os.fsdecode(event.dest_path if moved else event.src_path))
        kind = event.event_type
        # A folder is modified by each file in it, which tells for itself.
        tells = kind in _APPEARING if event.is_directory else kind not in _READING
        if kind == "deleted":
            self.folder_gone |= path == self._folder
        elif tells and self._counts(path):
            self._queue.put(Change(path, event.is_directory, moved or kind == "closed"))

    def wait(self, seconds: float) -> Iterator[Change]:
        """What has happened since the last call, waited for if that is nothing.

        Raises:
            InputError: no more can be told.
        """
        try:
            yield self._queue.get(timeout=seconds)
            while True:
                yield self._queue.get_nowait()
        except queue.Empty:
            pass
        if all(one.is_alive() for one in self._observer.emitters):
            return
        if self._folder.is_dir() and not self.folder_gone:
            raise InputError(
                f"The system no longer tells what happens in {self._folder}; give the command "
                f"again, with --poll if {as_argument(self._folder)} is on a network drive."
            )
        self.folder_gone = True

    def _counts(self, path: Path) -> bool:
        """Whether neither a file or folder nor what it lies in is hidden."""
        if not path.is_relative_to(self._folder):
            return False
        return not any(part.startswith(".") for part in path.relative_to(self._folder).parts)
