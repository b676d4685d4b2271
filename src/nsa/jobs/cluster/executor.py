"""Jobs as tasks of a Ray cluster."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from nsa.jobs.attempt import Crashed
from nsa.jobs.cluster.connect import connected
from nsa.jobs.cluster.nodes import Versions, check_nodes
from nsa.jobs.cluster.room import capacity, check_room
from nsa.jobs.cluster.task import do
from nsa.jobs.job import Job, Needs

_log = logging.getLogger("nsa")

_MOST_NODES = 10  # that a job may lose before it counts as failed
_MOST_CRASHES = 2  # of its process: if memory was short, others may have finished meanwhile
_SECONDS_TO_SAVE, _SECONDS_TO_END = 120.0, 10.0
_SECONDS_BETWEEN_LOOKS = 5.0  # at what the cluster has: nodes join and leave


@dataclass(eq=False)
class _Handed:
    """A job that is Ray's.

    Attributes:
        ref: of its task.
        nodes, crashes: how many it has lost so far.
    """

    job: Job
    future: Future[str | None] = field(default_factory=Future)
    ref: Any = None
    nodes: int = 0
    crashes: int = 0


class ClusterExecutor:
    """Does jobs on a Ray cluster that runs already, each as a task with the job's needs.

    A job whose node is lost begins again elsewhere, from what it had saved, and so does one whose
    process was ended, as when memory runs short, but not for ever. A job that says why it failed is
    not tried again.

    Args:
        address: see :func:`nsa.jobs.cluster.connect.connected`.
        results: the folder that holds the folders of all jobs.
        data: folders that the jobs read.
    """

    def __init__(self, address: str, results: Path, data: Sequence[Path] = ()) -> None:
        self._address, self._results, self._data = address, results, data
        self._open = contextlib.ExitStack()
        self._handed: set[_Handed] = set()
        self._tasks: dict[Needs, Any] = {}
        self._places, self._looked = 1, 0.0
        self._stopping, self._lock = False, threading.Lock()

    def __enter__(self) -> ClusterExecutor:
        """Connect, and check every node.

        Raises:
            InputError: there is no such cluster, or a node is not fit for these jobs.
        """
        with contextlib.ExitStack() as stack:
            stack.enter_context(connected(self._address))
            check_nodes([self._results], self._data)
            self._versions, self._here = Versions.here(), Path.cwd()
            # Ray tells how a task ended in a thread where nothing may wait.
            self._ends = stack.enter_context(ThreadPoolExecutor(1))
            self._open = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._open:
            self.stop()

    @property
    def room(self) -> int:
        """What the cluster holds for jobs as the last one, and some that wait for a place there."""
        if self._tasks and time.monotonic() - self._looked > _SECONDS_BETWEEN_LOOKS:
            self._places = capacity(next(reversed(self._tasks)))
            self._looked = time.monotonic()
        return self._places + 2 + self._places // 4 - len(self._handed)

    def start(self, job: Job) -> Future[str | None]:
        """See :meth:`nsa.jobs.executor.Executor.start`.

        Raises:
            InputError: its needs fit on no node.
        """
        if job.needs not in self._tasks:
            check_room(job.needs)
            self._tasks[job.needs] = _task(job.needs)
            self._looked = 0.0
        handed = _Handed(job)
        self._handed.add(handed)
        self._hand_over(handed)
        return handed.future

    def stop(self) -> None:
        """See :meth:`nsa.jobs.executor.Executor.stop`; Ctrl-C meanwhile ends them unsaved."""
        if self._stopping or not self._handed:
            return
        with self._lock:
            self._stopping = True
        try:
            self._cancel(force=False)
            wait([handed.future for handed in self._handed], _SECONDS_TO_SAVE)
        finally:
            self._cancel(force=True)
            wait([handed.future for handed in self._handed], _SECONDS_TO_END)

    def _hand_over(self, handed: _Handed) -> None:
        handed.ref = self._tasks[handed.job.needs].remote(handed.job, self._versions, self._here)
        handed.ref.future().add_done_callback(
            lambda done: self._ends.submit(self._end, handed, done)
        )

    def _cancel(self, force: bool) -> None:
        import ray

        for handed in list(self._handed):
            if not handed.future.done():
                ray.cancel(handed.ref, force=force)

    def _end(self, handed: _Handed, done: Future[str | None]) -> None:
        """Take note of how a task ended, or have the job done again."""
        from ray import exceptions

        failure: str | None = None
        error: BaseException | None = None
        try:
            failure = done.result()
        except exceptions.TaskCancelledError:
            error = KeyboardInterrupt()
        except exceptions.RayTaskError as raised:
            failure, error = _meaning(raised.cause)
        except exceptions.NodeDiedError:
            handed.nodes += 1
            if self._again(handed, handed.nodes, _MOST_NODES, "its node was lost"):
                return
            failure = f"It lost {handed.nodes} nodes (what it said: {handed.job.log})"
        except (exceptions.OutOfMemoryError, exceptions.WorkerCrashedError) as raised:
            short = isinstance(raised, exceptions.OutOfMemoryError)
            reason = "its node ran out of memory" if short else "its process was ended from outside"
            handed.crashes += 1
            if self._again(handed, handed.crashes, _MOST_CRASHES, reason):
                return
            failure = f"It failed {handed.crashes} times: {reason} (what it said: {handed.job.log})"
        except exceptions.RayError as raised:
            failure = " ".join(str(raised).split())
        self._handed.discard(handed)
        if error is None:
            handed.future.set_result(failure)
        else:
            handed.future.set_exception(error)

    def _again(self, handed: _Handed, lost: int, most: int, reason: str) -> bool:
        """Hand a job over anew, unless that was often enough or all are to stop."""
        with self._lock:
            if self._stopping or lost >= most:
                return False
            _log.warning("%s begins again: %s.", handed.job.name, reason)
            self._hand_over(handed)
            return True


def _task(needs: Needs) -> Any:
    """A Ray task that does a job with such needs."""
    import ray

    more = {"memory": needs.memory} if needs.memory else {}
    return ray.remote(
        num_cpus=needs.cores, num_gpus=needs.gpus, scheduling_strategy="SPREAD", max_retries=0,
        # A process keeps the GPU that it had first, and the next job may get another.
        max_calls=1 if needs.gpus else 0, **more,
    )(do)  # fmt: skip


def _meaning(cause: BaseException) -> tuple[str | None, BaseException | None]:
    """What an exception of a task says: a failure, or an exception of the driver's too."""
    return (str(cause), None) if isinstance(cause, Crashed) else (None, cause)
