"""Copies of files in stores: fetched where they are new or have changed, and sent back.

What a copy is a copy of stands in its time of change, which its size and the store's version of it
give, in years before anybody made files. So there is no table beside the files that could be lost
or disagree with them: whatever changes a copy makes it a file of this machine's own, which is never
overwritten or removed here, and which :func:`send` sends.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import TypeVar

from nsa.errors import InputError
from nsa.system.console import console
from nsa.system.files import atomic_file, remove
from nsa.system.places import CACHE, as_path, cache_folder, url_of
from nsa.system.progress import progress_bar
from nsa.system.url_errors import NothingThereError
from nsa.system.urls import Entry, entry, joined, read, walk, write

_THREADS = 16  # that wait for the network nearly all the time
# Two seconds are what every file system tells apart; 1980 is the first year of some.
_FIRST, _STEPS, _STEP = 315_705_600, 1 << 27, 2  # from 2 January 1980 into 1988
_LAST = _FIRST + _STEPS * _STEP
_Item = TypeVar("_Item")
_held: list[Path] = []


def fetch(path: Path, wanted: Callable[[str], bool] | None = None, *, deep: bool = True) -> Path:
    """Make the copy at a path equal to what its URL holds now; other paths are left alone.

    Files are copied by several threads, each whole or not at all, so what is interrupted goes on
    where it stopped. Folders are there whether files in them are wanted or not.

    Args:
        path: see :func:`nsa.system.places.as_path`.
        wanted: whether a file is, by its path below this one with ``/``; None: all are.
        deep: with all folders below; else what lies directly in it.

    Returns:
        The path itself.

    Raises:
        InputError: there is nothing at the URL, it cannot be read, the disk is full, or files have
            changed both there and here.
    """
    url = url_of(path)
    if url is None or any(path.is_relative_to(folder) for folder in _held):
        return path
    here = dict(_files(path, deep=deep))
    own = [name for name, status in here.items() if not _is_copy(status)]
    try:
        there = {one.url[len(url) + 1 :]: one for one in walk(url, deep=deep)}
    except NothingThereError:
        if own:  # nothing of it has been sent yet
            return path
        raise
    _check_names(url, there)
    _part_files_from_folders(there, wanted)
    left = [
        (path / name, one)
        for name, one in there.items()
        if (wanted is None or wanted(name)) and not _is_current(here.get(name), one)
    ]
    if left and own:
        raise InputError(
            f"{own[0]} in the copy {path} is not at {url} yet, where other files have changed "
            f"meanwhile; move the copy {path} away to go on with what is there."
        )
    for name in here:
        if name not in there and name not in own:
            remove(path / name)
    folders = {(path / name).parent for name in there}
    _make_folders(path, folders or {path}, deep=deep)
    _check_space(path, left)
    _each(f"Copying {url}", left, lambda one: _fetch_one(*one))
    return path


def fetch_all(places: Sequence[str | Path]) -> list[Path]:
    """Files, and folders without those in them, each as :func:`fetch` does; paths or URLs."""
    paths = [as_path(place) for place in places]
    if any(url_of(path) for path in paths):
        with ThreadPoolExecutor(_THREADS) as pool:
            list(pool.map(lambda path: fetch(path, deep=False), paths))
    return paths


def send(folder: Path, last: Collection[str] = ()) -> set[str]:
    """Write to a folder's URL what is new or has changed in the copy.

    Args:
        folder: the copy.
        last: names of files that say that those beside them are there, at any depth, in the order
            in which they follow.

    Returns:
        What was sent, by paths below the folder.

    Raises:
        InputError: the store cannot be reached or refuses; the copy stays.
    """
    url = url_of(folder)
    assert url is not None
    own = [name for name, status in _files(folder) if not _is_copy(status)]
    first = [name for name in own if name.rpartition("/")[2] not in last]
    _each(f"Sending to {url}", first, lambda name: _send_one(folder / name, joined(url, name)))
    for one in last:
        for name in own:
            if name.rpartition("/")[2] == one:
                _send_one(folder / name, joined(url, name))
    return set(own)


def sent(folder: Path) -> set[str]:
    """The files of a copy, by their paths below it, that are at its URL."""
    return {name for name, status in _files(folder) if _is_copy(status)}


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Let nothing be fetched into a folder while a block changes it: what is here counts."""
    _held.append(folder)
    try:
        yield
    finally:
        _held.remove(folder)


def clear(folder: Path) -> None:
    """Remove the copies in a folder whose URL has nothing; what is this machine's own stays."""
    for name in sent(folder):
        remove(folder / name)
    _remove_empty(folder, set())


def _fetch_one(path: Path, one: Entry) -> None:
    content = read(one.url)
    with atomic_file(path) as file:
        file.write(content)
        file.flush()
        os.utime(file.name, (_stamp(one), _stamp(one)))  # or a kill could leave it as our own


def _send_one(path: Path, url: str) -> None:
    try:
        with path.open("rb") as file:
            before = os.fstat(file.fileno())
            content = file.read()
    except FileNotFoundError:  # a run removes what it no longer needs while it is sent
        return
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror}.") from error
    write(url, content)
    stamp = _stamp(entry(url))
    with contextlib.suppress(FileNotFoundError), path.open("rb") as file:  # removed meanwhile
        after = os.fstat(file.fileno())
        if (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns):
            # By its number, or what replaces it at this moment would count as sent.
            same = file.fileno() if os.utime in os.supports_fd else path
            os.utime(same, (stamp, stamp))
            if os.fstat(file.fileno()).st_size != len(content):  # written again just now
                os.utime(same)


def _is_current(status: os.stat_result | None, one: Entry) -> bool:
    """Whether nothing is to be fetched: the copy is of this version, or this machine's own."""
    if status is None:
        return False
    if not _is_copy(status):
        return True
    return bool(one.version) and one.size in (status.st_size, -1) and status.st_mtime == _stamp(one)


def _is_copy(status: os.stat_result) -> bool:
    return _FIRST <= status.st_mtime < _LAST


def _stamp(one: Entry) -> int:
    """The time of change of a copy, in seconds."""
    digest = hashlib.blake2b(f"{one.size} {one.version}".encode(), digest_size=8).digest()
    return _FIRST + int.from_bytes(digest, "big") % _STEPS * _STEP


def _files(folder: Path, *, deep: bool = True) -> Iterator[tuple[str, os.stat_result]]:
    """The visible files of a folder by their paths below it; of a file itself that one, as ``""``.

    Other processes may fetch into it and remove from it at the same time.
    """
    found = [folder] if folder.is_file() else []
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if deep and not name.startswith("."))
        found += [Path(place, name) for name in sorted(names) if not name.startswith(".")]
    for file in found:
        with contextlib.suppress(FileNotFoundError):
            yield file.relative_to(folder).as_posix() if file != folder else "", file.stat()


def _check_names(url: str, names: Iterable[str]) -> None:
    """Refuse what would lie elsewhere than it says."""
    for name in names:
        parts = name.split("/") if name else []
        if any(part in ("", ".", "..") or "\0" in part for part in parts):
            raise InputError(
                f"{joined(url, name)} has a part that is no name of a file; rename it there."
            )


def _part_files_from_folders(there: dict[str, Entry], wanted: Callable[[str], bool] | None) -> None:
    """Leave out empty files with the name of a folder, which some tools let stand for it.

    Raises:
        InputError: one that is wanted is not empty, and no file system has both.
    """
    parts = [name.split("/") for name in there if name]
    folders = {"/".join(one[:depth]) for one in parts for depth in range(len(one))}
    for name in folders.intersection(there):
        if there[name].size and (wanted is None or wanted(name)):
            raise InputError(
                f"{there[name].url} is a file and a folder, too, which no disk can hold; rename "
                "one of them there."
            )
        del there[name]


def _check_space(path: Path, left: list[tuple[Path, Entry]]) -> None:
    size = sum(max(0, one.size) for _, one in left)
    folder = next(one for one in (path, *path.parents) if one.exists())
    free = shutil.disk_usage(folder).free
    if free < size:
        raise InputError(
            f"{cache_folder()} has {free / 1e6:.0f} MB free, but the copies need "
            f"{size / 1e6:.0f} MB; free some, or name a folder on another drive by {CACHE} in the "
            "environment."
        )


def _make_folders(path: Path, kept: set[Path], *, deep: bool) -> None:
    """Make the folders that a URL has, and remove those that it no longer has and are empty."""
    try:
        for folder in kept:
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"Cannot create the copy {error.filename}: {error.strerror}; remove what is in the "
            f"way, or name another folder for copies by {CACHE} in the environment."
        ) from error
    if deep:
        _remove_empty(path, kept)


def _remove_empty(path: Path, kept: set[Path]) -> None:
    for place, _, _ in os.walk(path, topdown=False):
        if Path(place) not in kept and not any(Path(place).iterdir()):
            Path(place).rmdir()


def _each(title: str, items: list[_Item], work: Callable[[_Item], None]) -> None:
    """Do something with all items in several threads; the first that fails ends it."""
    if not items:
        return
    alone = threading.current_thread() is threading.main_thread()  # else others draw
    drawn = progress_bar(title, len(items), shown=console.is_terminal and alone)
    with drawn as bar, ThreadPoolExecutor(min(_THREADS, len(items))) as pool:
        waiting = [pool.submit(work, item) for item in items]
        try:
            for future in as_completed(waiting):
                future.result()
                bar.advance()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
