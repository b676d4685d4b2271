"""Jobs in this process, one after the other, which print where this process does."""

from __future__ import annotations

import logging
import signal
import threading
from concurrent.futures import Future
from types import TracebackType

from nsa.errors import InputError
from nsa.jobs.job import Job
from nsa.system.device import use_own_gpu
from nsa.system.interrupt import ended_as_by_ctrl_c

_log = logging.getLogger("nsa")


class InlineExecutor:
    """Does a job when it is handed over; an error that nobody foresaw is raised."""

    room, queues = 1, False

    def __enter__(self) -> InlineExecutor:
        use_own_gpu()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pass

    def start(self, job: Job) -> Future[str | None]:
        """See :meth:`nsa.jobs.executor.Executor.start`.

        Raises:
            Interrupted, KeyboardInterrupt: a signal stopped it.
        """
        future: Future[str | None] = Future()
        try:
            _run(job)
            future.set_result(None)
        except InputError as error:
            _log.warning("%s failed: %s", job.name, error)
            future.set_result(str(error))
        return future

    def stop(self) -> None:
        """Nothing runs between two calls."""


def _run(job: Job) -> None:
    """Do a job that signals stop as if nobody else had asked for them."""
    if threading.current_thread() is not threading.main_thread():
        job.run()
        return
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with ended_as_by_ctrl_c():
            job.run()
    finally:
        signal.signal(signal.SIGINT, before)
