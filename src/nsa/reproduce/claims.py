"""Who works on a job: one lock file a job in the results folder.

Two mechanisms together, because results folders are often on a network drive. The file appears
with its content in one step (a hard link to a finished file), which holds between machines.
On its own machine its owner also holds an operating system lock on it, which ends with the process
however that ends: so a lock left behind by a dead process of the same machine is recognised and
taken over. One left behind by another machine stays until someone removes it.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from nsa.errors import InputError
from nsa.system.files import lock_file, open_unfinished, remove, same_file
from nsa.system.readers import read_json

_log = logging.getLogger("nsa")


@contextlib.contextmanager
def claim(path: Path) -> Iterator[bool]:
    """Try to own ``path``, a lock file, while the ``with`` block lasts.

    Yields:
        Whether it is ours; False where another process has it.

    Raises:
        InputError: the folder cannot be written to.
    """
    try:
        file = _create(path)
        if file is None:
            file = _take_over(path)
    except OSError as error:
        raise InputError(f"Cannot write {path}: {error.strerror or error}.") from error
    if file is None:
        yield False
        return
    with file:
        try:
            yield True
        finally:
            remove(path)  # before the lock ends, or it could be another's by then


def owner(path: Path) -> dict[str, Any] | None:
    """What a lock file says: ``host``, ``process`` and ``since``; None if there is none."""
    try:
        return read_json(path)
    except InputError:
        return None


def _create(path: Path) -> BinaryIO | None:
    """A new file, locked and with its content; None if there is one already."""
    # Of a name that no process of any machine shares: not every drive has locks.
    own = path.with_name(f"{path.name}.{socket.gethostname()}.{os.getpid()}")
    file = open_unfinished(own)
    try:
        file.truncate()
        file.write(_content())
        file.flush()
        os.link(file.name, path)
    except FileExistsError:
        file.close()
        return None
    except BaseException:
        file.close()
        raise
    finally:
        Path(file.name).unlink(missing_ok=True)
    return file


def remove_left(folder: Path) -> None:
    """Remove what processes of this machine that are gone have left in a folder of locks.

    Raises:
        InputError: it cannot be removed.
    """
    for path in folder.glob("*.lock"):
        file = None
        if owner(path) is None:  # damaged, or just being taken over, maybe elsewhere
            continue
        with contextlib.suppress(OSError):  # another user's, which is for that one to remove
            file = _lock_left(path)
        if file is not None:
            with file:
                remove(path)


def _take_over(path: Path) -> BinaryIO | None:
    """The lock of a process of this machine that is gone; None if its owner may be alive."""
    before, file = owner(path), _lock_left(path)
    if file is None:
        return None
    _log.warning("Taking over %s from process %s, which is gone.", path.stem, _process(before))
    file.truncate()
    file.write(_content())
    file.flush()
    return file


def _lock_left(path: Path) -> BinaryIO | None:
    """The file, locked, if no process of this machine has it; None if its owner may be alive."""
    content = owner(path)
    if content is not None and content.get("host") != socket.gethostname():
        return None
    try:
        file = path.open("r+b")
    except FileNotFoundError:  # released just now; the job is looked at again later
        return None
    try:
        lock_file(file.fileno())
    except OSError:
        file.close()
        return None
    if not same_file(file.fileno(), path):
        file.close()  # released and claimed anew while we were looking
        return None
    return file


def _process(content: dict[str, Any] | None) -> object:
    return "unknown" if content is None else content.get("process", "unknown")


def _content() -> bytes:
    content = {"host": socket.gethostname(), "process": os.getpid(), "since": time.time()}
    return json.dumps(content).encode()
