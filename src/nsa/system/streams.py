"""Standard output and standard error that may lose their reader: a pipe or a terminal that closes.

What nobody reads is dropped, and the work goes on: a training is worth more than its log.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import Any

_NO_READER = (errno.EPIPE, errno.EIO)


class _Lasting(io.FileIO):
    """A file that takes everything, even after it can no longer be written to.

    Attributes:
        lost: why it cannot, other than that nobody reads it; None: nothing was lost.
    """

    lost: OSError | None = None

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError as error:
            if error.errno not in _NO_READER:
                self.lost = error
            nothing = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nothing, self.fileno())
            os.close(nothing)
            return len(memoryview(data).cast("B"))


def open_closed() -> None:
    """Let the null device take the places of standard streams that are closed.

    Or the next file or pipe that is opened would take one, and what is printed would go into it;
    child processes have the same. ``sys.stdout`` and the like stay None where they are.
    """
    while (file := os.open(os.devnull, os.O_RDWR)) <= 2:  # the lowest that is free
        os.set_inheritable(file, True)
    os.close(file)


def outlast_readers() -> _Lasting | None:
    """Replace ``sys.stdout`` and ``sys.stderr`` by streams that no closed pipe ends.

    Returns:
        What is below standard output; None: it was closed from the start.
    """
    _replace("stderr")
    return _replace("stdout")


def _replace(name: str) -> _Lasting | None:
    before = getattr(sys, name)
    if before is None:
        setattr(sys, name, io.StringIO())
        return None
    before.flush()
    raw = _Lasting(before.fileno(), "wb", closefd=False)
    stream = io.TextIOWrapper(
        io.BufferedWriter(raw), encoding=before.encoding, errors=before.errors,
        line_buffering=before.line_buffering,
    )  # fmt: skip
    setattr(sys, name, stream)
    return raw
