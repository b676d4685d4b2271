"""What a node does with a job."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from nsa.jobs.attempt import attempt
from nsa.jobs.cluster.nodes import Versions
from nsa.jobs.job import Job
from nsa.system.cores import PROCESSES, usable_cores


def do(job: Job, expected: Versions, folder: Path) -> str | None:
    """See :func:`nsa.jobs.attempt.attempt`, which this process of Ray's does.

    Args:
        job: which Ray has given the devices and the cores that it needs.
        expected: of the driver; a node that has joined since then may have others.
        folder: the driver's working directory, for paths that are not absolute.
    """
    different = expected.difference(Versions.here())
    if different is not None:
        return f"The node that it was given to {different}; install the same versions everywhere."
    if folder.is_dir():
        os.chdir(folder)
    # Of a node that others of us share, its own part.
    os.environ[PROCESSES] = str(max(1, int(usable_cores() / max(job.needs.cores, 1))))
    from nsa.system.console import log_to_console
    from nsa.system.device import keep_freed_memory, use_own_gpu

    log_to_console()
    use_own_gpu()
    keep_freed_memory()
    with _own_streams():
        return attempt(job)


@contextlib.contextmanager
def _own_streams() -> Iterator[None]:
    """Give Ray its standard streams back after the block, which changes where they go."""
    kept = {stream: os.dup(stream) for stream in (1, 2)}
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for stream, copy in kept.items():
            os.dup2(copy, stream)
            os.close(copy)
