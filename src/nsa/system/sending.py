"""Results at a URL: written to a folder of this machine, the copy, and sent when they are there."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Collection, Iterator
from pathlib import Path

from nsa.errors import InputError
from nsa.system.mirror import clear, fetch, held, send, sent
from nsa.system.places import named, url_of
from nsa.system.urls import exists, joined, remove, try_writing

_log = logging.getLogger("nsa")

_SECONDS = 300.0  # between what is sent of a run that goes on


def begin(folder: Path, *, overwrite: bool = False) -> None:
    """Check before any work that a folder's URL, if it has one, takes new results.

    Args:
        overwrite: whether something may be there, which the folder has then, too.

    Raises:
        InputError: something is there, or the store cannot be reached or refuses.
    """
    url = url_of(folder)
    if url is None:
        return
    there = exists(url, "write")
    if there and not overwrite:
        raise InputError(f"The folder {url} is not empty; choose another --output.")
    # Or a long training would end with what nobody may write.
    try_writing(url)
    if there:
        fetch(folder)
    else:
        clear(folder)


@contextlib.contextmanager
def sending(folder: Path, last: Collection[str] = (), remedy: str = "") -> Iterator[None]:
    """Send a folder to its URL, if it has one, when a block ends, however it ends.

    It is sent every five minutes, too, in case the machine is taken away. What the block has
    removed of what was there is removed there.

    Args:
        last: see :func:`nsa.system.mirror.send`.
        remedy: what sends them later, such as a command.

    Raises:
        InputError: the store cannot be reached or refuses; the message says where the results are.
    """
    if url_of(folder) is None:
        yield
        return
    before = sent(folder)
    try:
        with held(folder), _now_and_then(folder, before, last):
            yield
    except BaseException:
        _send(folder, before, last, remedy)
        raise
    _send(folder, before, last, remedy)


@contextlib.contextmanager
def _now_and_then(folder: Path, before: set[str], last: Collection[str]) -> Iterator[None]:
    """Send what there is while a block goes on; that it cannot be sent now is only said.

    Args:
        before: gets the files that are sent.
    """
    ended = threading.Event()

    def work() -> None:
        while not ended.wait(_SECONDS):
            try:
                before.update(send(folder, last))
            except InputError as error:
                before.update(sent(folder))
                _log.warning("Not sent yet: %s", error)

    thread = threading.Thread(target=work, name="sending", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _send(folder: Path, before: set[str], last: Collection[str], remedy: str) -> None:
    url = named(folder)
    try:
        send(folder, last)
        for name in sorted(before):
            if not (folder / name).exists():
                remove(joined(url, name))
    except InputError as error:
        more = f"; {remedy}" if remedy else ""
        raise InputError(
            f"{str(error).rstrip('.')}. The results for {url} are in the copy {folder}{more}."
        ) from error
