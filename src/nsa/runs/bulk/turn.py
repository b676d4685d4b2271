"""One call at a time in a folder at a URL, where nothing locks."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import platform
import secrets
import threading
import time
from types import TracebackType

from nsa.errors import InputError
from nsa.system import urls
from nsa.system.readers import parse_json
from nsa.system.url_errors import NothingThereError

_log = logging.getLogger("nsa")

NAME = ".writes.json"  # hidden, so that nobody takes it for a result
_SECONDS_BETWEEN_SIGNS = 15.0
# Four signs fail to come of a call that goes on, before another takes its turn.
_SECONDS_TO_WAIT = 75.0


class Turn:
    """The turn to write to a folder, while a ``with`` block lasts.

    A file there names the call whose turn it is, which writes it anew every 15 seconds. Who finds
    it waits, by its own clock alone, until it has not changed for so long that its call must be
    gone. Stores do not all have a way to write a file only where there is none, so two that begin
    within a moment may both believe that it is their turn: one of them learns otherwise when it
    looks next, before it writes more.

    Args:
        folder: its URL.
    """

    def __init__(self, folder: str) -> None:
        self._folder, self._url = folder, urls.joined(folder, NAME)
        self._call, self._signs = secrets.token_hex(8), 0
        self._looked, self._lost = 0.0, False
        self._lock, self._ended = threading.Lock(), threading.Event()
        self._renewing = threading.Thread(target=self._renew, name="turn", daemon=True)

    def __enter__(self) -> None:
        """Take the turn.

        Raises:
            InputError: another call has it, or the store cannot be reached or refuses.
        """
        self._wait_for_others()
        self._sign()
        self._renewing.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._renewing.join()
        with contextlib.suppress(InputError):  # others wait for a minute; results count
            if self._is_ours():
                urls.remove(self._url)

    def check(self) -> None:
        """Check before something is written that it is still the turn of this call.

        Raises:
            InputError: it is not, or the store cannot be reached or refuses.
        """
        with self._lock:
            if not self._lost and time.monotonic() - self._looked > 2 * _SECONDS_BETWEEN_SIGNS:
                self._look()
            if self._lost:
                raise InputError(
                    f"Another call of nsa predict has begun to write to {self._folder}, so this "
                    "one has stopped; when that has ended, the same command judges what is left."
                )

    def _renew(self) -> None:
        while not self._lost and not self._ended.wait(_SECONDS_BETWEEN_SIGNS):
            # What the store says now is said when something is to be written there.
            with contextlib.suppress(InputError), self._lock:
                self._look()

    def _look(self) -> None:
        """Look whose turn it is, and go on with it if it is that of this call."""
        if self._is_ours():
            self._sign()
        else:
            self._lost = True

    def _is_ours(self) -> bool:
        found = self._read()
        return found is not None and found.get("call") == self._call

    def _sign(self) -> None:
        self._signs += 1
        values = {
            "about": "The call of nsa predict that writes here; it goes when that ends.",
            "call": self._call, "machine": platform.node(), "process": os.getpid(),
            "sign": self._signs,
        }  # fmt: skip
        urls.write(self._url, (json.dumps(values, indent=2) + "\n").encode())
        self._looked = time.monotonic()

    def _read(self) -> dict[str, object] | None:
        try:
            text = urls.read(self._url).decode(errors="replace")
        except NothingThereError:
            return None
        try:
            return parse_json(text, self._url)
        except InputError:  # nobody's
            return {}

    def _wait_for_others(self) -> None:
        before = self._read()
        if before is None:
            return
        who = f"{before.get('machine')}, process {before.get('process')}"
        _log.info(
            "A call of nsa predict (%s) was writing to %s; waiting for %.0f s to see whether it "
            "still does.", who, self._folder, _SECONDS_TO_WAIT,
        )  # fmt: skip
        until = time.monotonic() + _SECONDS_TO_WAIT
        while time.monotonic() < until:
            time.sleep(min(2.0, _SECONDS_BETWEEN_SIGNS))
            found = self._read()
            if found is None:
                return
            if found != before:
                raise InputError(
                    f"Another call of nsa predict ({who}) writes to {self._folder}; wait until it "
                    "has ended, or choose another --output."
                )
