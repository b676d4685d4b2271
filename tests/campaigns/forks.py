"""Run commands of nsa, each in a process of its own that begins with everything imported.

A server imports the package once and forks for every command, so that an attempt costs what the
command does, not the three seconds of an import. ``faults.cpp`` is preloaded.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import os
import pkgutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_LIMIT = 900  # seconds, of a command that hangs


@dataclass(frozen=True)
class Fault:
    """What happens at the changes ``first`` to ``last`` below a folder, counted from 1.

    Attributes:
        action: an error number that they fail with, or a signal as a negative number.
    """

    first: int
    last: int
    action: int


NOTHING = Fault(0, 0, 0)


@dataclass(frozen=True)
class Ended:
    """A command that has ended.

    Attributes:
        status: its exit status, or the signal that ended it as a negative number.
        said: all of its output.
        changes: what it did below its folder, a line each: what, and to which path.
        peak: most resident memory in bytes.
    """

    status: int
    said: str
    changes: list[str]
    peak: int


@dataclass(frozen=True)
class Running:
    """A command that runs; ``pid`` is its process."""

    pid: int
    server: Server
    log: Path
    changes: Path

    def kill(self, number: signal.Signals) -> None:
        """Send it a signal; nobody takes its number before :meth:`wait`."""
        os.kill(self.pid, number)

    def wait(self) -> Ended:
        status, peak = self.server.ask({"wait": self.pid})
        said = self.log.read_text(errors="replace")
        return Ended(status, said, self.changes.read_text().splitlines(), peak)


class Server:
    """The process that forks.

    Args:
        library: ``faults.cpp``, compiled.
        scratch: folder for what the commands print.
    """

    def __init__(self, library: Path, scratch: Path) -> None:
        self._scratch, self._count = scratch, 0
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__)), str(library)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "LD_PRELOAD": str(library), "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._orders, self._replies = self._process.stdin, self._process.stdout

    def ask(self, order: dict[str, Any]) -> Any:
        self._orders.write(json.dumps(order) + "\n")
        self._orders.flush()
        reply = self._replies.readline()
        assert reply, "the server is gone"
        return json.loads(reply)

    def start(self, folder: Path, *arguments: object, fault: Fault = NOTHING) -> Running:
        """Start ``nsa`` in a folder, whose changes are counted."""
        self._count += 1
        log, changes = (self._scratch / f"{self._count}.{end}" for end in ("log", "changes"))
        order = {
            "arguments": [str(argument) for argument in arguments], "folder": str(folder),
            "fault": [fault.first, fault.last, fault.action],
            "log": str(log), "changes": str(changes),
        }  # fmt: skip
        return Running(self.ask(order), self, log, changes)

    def run(self, folder: Path, *arguments: object, fault: Fault = NOTHING) -> Ended:
        return self.start(folder, *arguments, fault=fault).wait()

    def close(self) -> None:
        self._orders.close()
        self._process.wait()
        self._replies.close()


def _import_all() -> None:
    import matplotlib.pyplot as plt

    import nsa
    import nsa.cli.app

    for module in pkgutil.walk_packages(nsa.__path__, "nsa."):
        with contextlib.suppress(ImportError):  # what this machine lacks
            importlib.import_module(module.name)
    plt.close(plt.figure())


def _command(order: dict[str, Any], library: str) -> int:
    """What the forked process does."""
    from nsa.cli.app import main

    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.alarm(_LIMIT)
    nothing = os.open(os.devnull, os.O_RDONLY)
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for source, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    changes = os.open(order["changes"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.chdir(order["folder"])
    arm = ctypes.CDLL(library).faults_arm
    arm.argtypes = (ctypes.c_char_p, ctypes.c_long, ctypes.c_long, ctypes.c_int, ctypes.c_int)
    arm(os.fsencode(order["folder"]), *order["fault"], changes)
    try:
        main(order["arguments"])
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def _serve(library: str) -> None:
    import traceback

    _import_all()
    for line in sys.stdin:
        order = json.loads(line)
        if "wait" in order:
            _, status, usage = os.wait4(order["wait"], 0)
            reply: Any = [os.waitstatus_to_exitcode(status), usage.ru_maxrss * 1024]
        else:
            reply = os.fork()
            if reply == 0:
                code = 1
                try:
                    code = _command(order, library)
                except BaseException:
                    traceback.print_exc()
                finally:
                    with contextlib.suppress(BaseException):
                        sys.stdout.flush()
                        sys.stderr.flush()
                    os._exit(code)
        os.write(1, f"{json.dumps(reply)}\n".encode())


if __name__ == "__main__":
    _serve(sys.argv[1])
