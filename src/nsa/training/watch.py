"""What happens when one of several connected processes ends before its time.

The others would wait for it: in a gloo exchange until its connection closes, in an NCCL kernel for
ever. So a thread of every rank listens to the next rank, on a connection of its own where nothing
is said until the end. A connection that closes means that rank is lost, however it ended and
whatever the main thread is waiting for.

Whichever rank is the first in trouble says so, wherever its own trouble comes from; that the others
then lose a neighbour is a consequence, and they end in silence.
"""

from __future__ import annotations

import datetime
import os
import sys
import threading
import traceback
from typing import TYPE_CHECKING

import torch
from torch import distributed

from nsa.errors import InputError
from nsa.system.console import console
from nsa.system.interrupt import Interrupted

if TYPE_CHECKING:
    from torch._C._distributed_c10d import Store

# Ranks load images and compile kernels at different speeds; a rank that hangs is rare.
PATIENCE = datetime.timedelta(minutes=10)
_FOR_EVER = datetime.timedelta(days=365)
_SECONDS_FOR_WATCH = 5.0  # within which a closed connection is noticed
_TROUBLE, _HINT = "nsa-trouble", "nsa-hint"  # keys of the store


class Watch:
    """Listens to the next rank, and ends this process in good order if something goes wrong.

    Args:
        store: torch's store that all ranks reach; the default process group must exist.
        number, count: this rank and how many there are.
    """

    def __init__(self, store: Store, number: int, count: int) -> None:
        self._store, self._number, self._count = store, number, count
        self._group = distributed.new_group(backend="gloo", timeout=_FOR_EVER)
        self._ending = threading.Lock()
        self._thread = threading.Thread(target=self._listen, daemon=True, name="nsa-watch")
        self._left = False
        console.quiet = number != 0

    def start(self) -> None:
        self._thread.start()

    def note(self, hint: str) -> None:
        """Keep a sentence for the message of whichever rank reports a loss."""
        self._store.set(_HINT, hint)

    def leave(self) -> None:
        """Say goodbye once all ranks are here."""
        if self._left:
            return
        distributed.barrier()
        self._left = True
        goodbye = distributed.isend(torch.zeros(1, device="cpu"), self._neighbour(-1), self._group)
        self._thread.join()
        if goodbye is not None:
            goodbye.wait()
        distributed.destroy_process_group()

    def finish(self, error: BaseException | None) -> None:
        """Leave, or after an error end the process, so that nobody waits for this rank.

        The process ends at once: an orderly end would wait for NCCL, and that for the others.
        """
        if self._left:
            return
        if error is None or isinstance(error, Interrupted):
            try:
                self.leave()
                return
            except RuntimeError as lost:
                error = lost
        if isinstance(error, InputError):
            self._end(f"Error: {error}", 2)
        elif isinstance(error, KeyboardInterrupt):
            self._end(str(error) or "Interrupted.", 130)
        else:
            if isinstance(error, RuntimeError):  # of a lost connection, perhaps
                self._thread.join(_SECONDS_FOR_WATCH)
            if "timed out" in str(error).lower():
                self._end(f"Error: Some rank did not answer for {PATIENCE}. {self._hint()}", 2)
            self._end("".join(traceback.format_exception(error)), 1)

    def _listen(self) -> None:
        neighbour = self._neighbour(1)
        try:
            distributed.recv(torch.zeros(1, device="cpu"), neighbour, self._group)
        except RuntimeError:
            self._end(f"Error: Rank {neighbour} of {self._count} was lost. {self._hint()}", 2)

    def _neighbour(self, distance: int) -> int:
        return (self._number + distance) % self._count

    def _hint(self) -> str:
        try:
            if self._store.check([_HINT]):
                return str(self._store.get(_HINT).decode())
        except RuntimeError:  # the store went with the rank
            return "What is in the run folder can be continued with --resume."
        return "Nothing was saved yet; start again."

    def _end(self, message: str, status: int) -> None:
        with self._ending:
            if self._is_first():
                who = "" if self._number == 0 else f"(rank {self._number}) "
                console.quiet = False
                console.print(who + message, style="bold red", markup=False, soft_wrap=True)
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)

    def _is_first(self) -> bool:
        try:
            return bool(self._store.add(_TROUBLE, 1) == 1)
        except RuntimeError:
            return True
