"""The Ray cluster of a command: found or refused in bounded time, and left as it was."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from nsa.errors import InputError, shown
from nsa.jobs.executor import LostError
from nsa.system.interrupt import Interrupted

AUTO = "auto"
_SECONDS_TO_ANSWER = 30.0
_SECONDS_TO_REACH = 10.0
# Less than the minute after which Ray ends a process that has lost its cluster's head.
_SECONDS_WITHOUT_HEAD, _SECONDS_TO_MEET_HEAD = 40.0, 2.0
_SECONDS_BETWEEN_LOOKS = 2.0
# What the user has set wins. Ray prints what happens to its nodes on standard output, where results
# go; whoever wants to know finds it in Ray's own logs.
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",
}


def need_ray() -> None:
    """Check that Ray is installed, without importing it.

    Raises:
        InputError: it is not.
    """
    if importlib.util.find_spec("ray") is None:
        raise InputError("--cluster needs ray, not installed here; pip install 'nsa[cluster]'.")


@contextlib.contextmanager
def connected(address: str) -> Iterator[None]:
    """Use a cluster that runs already while the block lasts; none is ever started.

    Where this process uses Ray already, it stays connected as it is.

    Args:
        address: ``"auto"``, the cluster that this machine belongs to; or the ``HOST:PORT`` of a
            cluster's head.

    Raises:
        InputError: Ray is not installed, nobody answers there, or other versions do.
    """
    need_ray()
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    import ray

    if ray.is_initialized():
        yield
        return
    _check_answers(address)
    with _own_signals(), _silenced():
        try:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        except (OSError, RuntimeError, ValueError) as error:
            raise InputError(_refusal(address, str(error))) from error
    try:
        yield
    finally:
        ray.shutdown()


class Head:
    """The head of the cluster that this process is connected to.

    Attributes:
        lost: what is to be said if it is.
    """

    def __init__(self) -> None:
        import ray

        self._address: str = ray.get_runtime_context().gcs_address
        self._silent: float | None = None  # since when
        self.lost: str | None = None

    def answers(self) -> bool:
        """Look whether it does; if not, whatever asks Ray for something may wait for ever.

        Raises:
            LostError: it has not answered for long.
        """
        host, _, port = self._address.rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), _SECONDS_TO_MEET_HEAD).close()
        except OSError as error:
            now = time.monotonic()
            self._silent = now if self._silent is None else self._silent
            if now - self._silent >= _SECONDS_WITHOUT_HEAD:
                self.lost = (
                    f"The head of the Ray cluster, {self._address}, is lost: nobody has answered "
                    f"there for {_SECONDS_WITHOUT_HEAD:.0f} s ({error.strerror or error})"
                )
                raise LostError(f"{self.lost}.") from error
            return False
        self._silent = None
        return True


@contextlib.contextmanager
def interrupted_without_head() -> Iterator[None]:
    """Interrupt the block, as Ctrl-C would, when the head of its cluster is lost.

    It is for what waits for Ray in the main thread.

    Raises:
        LostError: it was; with what the block said of its interruption.
    """
    head, ended, main = Head(), threading.Event(), threading.main_thread()

    def watch() -> None:
        while not ended.wait(_SECONDS_BETWEEN_LOOKS):
            try:
                head.answers()
            except LostError:
                signal.pthread_kill(main.ident or 0, signal.SIGUSR1)
                return

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        if not ended.is_set():
            raise KeyboardInterrupt

    if threading.current_thread() is not main or sys.platform == "win32":
        yield
        return
    before = signal.signal(signal.SIGUSR1, interrupt)  # SIGINT may be ignored
    watching = threading.Thread(target=watch, name="head", daemon=True)
    watching.start()
    try:
        yield
    except (KeyboardInterrupt, Interrupted) as stop:
        if head.lost is None:
            raise
        said = str(stop).removeprefix("Interrupted; ")
        raise LostError(f"{head.lost}; {said or 'the same command continues.'}") from stop
    finally:
        ended.set()
        watching.join()
        signal.signal(signal.SIGUSR1, before)


@functools.cache
def _check_answers(address: str) -> None:
    """Refuse an address where nobody answers: Ray itself would try for many minutes."""
    if address != AUTO:
        host, _, port = address.rpartition(":")
        if not host or "/" in host or not port.isdecimal() or not 0 < int(port) < 65536:
            raise InputError(
                f"--cluster must be {AUTO}, or HOST:PORT as ray start --head prints it, got "
                f"{shown(address)}."
            )
        try:
            socket.create_connection((host.strip("[]"), int(port)), _SECONDS_TO_REACH).close()
        except OSError as error:
            raise InputError(
                f"No Ray cluster at {address}: {error.strerror or error}; start one with ray start "
                "--head, or give the address that it prints."
            ) from error
    command = [sys.executable, "-m", "ray.scripts.scripts", "health-check", "--address", address]
    try:
        # In a process of its own, which can be ended. How it ends says less than ray.init does.
        subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, timeout=_SECONDS_TO_ANSWER, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise InputError(
            f"What is at --cluster {address} did not answer as a Ray cluster does within "
            f"{_SECONDS_TO_ANSWER:.0f} s; give the address that ray start --head has printed."
        ) from None


@contextlib.contextmanager
def _own_signals() -> Iterator[None]:
    """Keep this process's handlers of signals, which Ray replaces."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _silenced() -> Iterator[None]:
    """Drop what Ray's own libraries print below Python, before they have a log file."""
    try:
        kept = os.dup(2)
    except OSError:  # it is closed
        yield
        return
    try:
        with Path(os.devnull).open("wb") as nothing:
            os.dup2(nothing.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _refusal(address: str, reason: str) -> str:
    """Why Ray does not connect, in our words where they are known."""
    if "Could not find any running Ray instance" in reason:
        return (
            "No Ray cluster runs on this machine; start one with ray start --head, join one with "
            "ray start --address HOST:PORT, or give --cluster HOST:PORT."
        )
    versions = re.findall(r"Ray: (\S+)\s+Python: (\S+)", reason)
    if len(versions) == 2:
        theirs, ours = (f"Ray {ray} on Python {python}" for ray, python in versions)
        return (
            f"The cluster at {address} has {theirs}, and this process {ours}; install the same "
            "versions everywhere."
        )
    said = " ".join(reason.split())
    return (
        f"The Ray cluster at {address} cannot be used from this machine, which must be one of its "
        f"nodes: {said}"
    )
