"""Jobs as tasks of a Ray cluster."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from nsa.jobs.attempt import Crashed, changed
from nsa.jobs.cluster.connect import Head, connected
from nsa.jobs.cluster.nodes import Versions, check_nodes
from nsa.jobs.cluster.room import capacity, check_room
from nsa.jobs.cluster.task import do
from nsa.jobs.executor import LostError
from nsa.jobs.job import Job, Needs
from nsa.system.console import counted
from nsa.system.interrupt import Interrupted

_log = logging.getLogger("nsa")

_NODE, _TOLD = "its node was lost", "its process was told to end"
_MEMORY, _PROCESS = "its node ran out of memory", "its process was ended from outside"
# How often it may happen to a job. If memory was short, others may have finished meanwhile.
_MOST = {_NODE: 10, _TOLD: 10, _MEMORY: 2, _PROCESS: 2}
_SECONDS_TO_SAVE, _SECONDS_TO_END = 120.0, 10.0
_SECONDS_BETWEEN_LOOKS = 5.0  # at what the cluster has: nodes join and leave
_SECONDS_TO_COUNT = 2.0  # what it has


class _Handed:
    """A job that is Ray's.

    Attributes:
        ref: of its task.
        lost: how often by each of :data:`_MOST`.
    """

    def __init__(self, job: Job) -> None:
        self.job, self.future = job, _Waiting(job.log)
        self.ref: Any = None
        self.lost: Counter[str] = Counter()


class _Waiting(Future["str | None"]):
    """Of a job that waits for a place: it runs once its log has changed, which is cheap to see."""

    def __init__(self, log: Path) -> None:
        super().__init__()
        self._log, self._before = log, changed(log)

    def running(self) -> bool:
        return not self.done() and changed(self._log) != self._before


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

    queues = True

    def __init__(self, address: str, results: Path, data: Sequence[Path] = ()) -> None:
        self._address, self._results, self._data = address, results, data
        self._open = contextlib.ExitStack()
        self._handed: set[_Handed] = set()
        self._tasks: dict[Needs, Any] = {}
        self._places, self._looked = 1, 0.0
        self._counting: Future[int] | None = None
        self._stopping, self._lock = False, threading.Lock()

    def __enter__(self) -> ClusterExecutor:
        """Connect, and check every node.

        Raises:
            InputError: there is no such cluster, or a node is not fit for these jobs.
        """
        with contextlib.ExitStack() as stack:
            # Ray tells how a task ended in a thread where nothing may wait.
            self._ends = stack.enter_context(ThreadPoolExecutor(1))
            stack.enter_context(connected(self._address))
            check_nodes([self._results], self._data)
            self._head = Head()
            self._versions, self._here = Versions.here(), Path.cwd()
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
        """What the cluster holds for jobs as the last one, and some that wait for a place there.

        Raises:
            LostError: the cluster's head is.
        """
        if self._tasks and time.monotonic() - self._looked > _SECONDS_BETWEEN_LOOKS:
            places = self._count(next(reversed(self._tasks))) if self._is_there() else None
            if places is None:
                return 0
            self._places, self._looked = places, time.monotonic()
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
            self._wait(_SECONDS_TO_SAVE)
        finally:
            self._cancel(force=True)
            self._wait(_SECONDS_TO_END)

    def _is_there(self) -> bool:
        try:
            return self._head.answers()
        except LostError:
            self._stopping = True  # nobody is there to tell it to
            raise

    def _count(self, needs: Needs) -> int | None:
        """How many jobs the cluster holds; None: it has not said so in time.

        Asked in a thread that can be left behind: where the head is lost in this very moment, Ray
        waits for ever.
        """
        if self._counting is None:
            self._counting = Future()
            threading.Thread(target=_answer, args=(self._counting, needs), daemon=True).start()
        wait([self._counting], _SECONDS_TO_COUNT)
        if not self._counting.done():
            return None
        asked, self._counting = self._counting, None
        return asked.result()

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

    def _wait(self, seconds: float) -> None:
        wait([handed.future for handed in list(self._handed)], seconds)

    def _end(self, handed: _Handed, done: Future[str | None]) -> None:
        """Take note of how a task ended, or have it done again; whatever that raises counts."""
        try:
            self._take(handed, done)
        except Exception as error:  # for the thread that waits, which would wait for ever
            self._handed.discard(handed)
            handed.future.set_exception(error)

    def _take(self, handed: _Handed, done: Future[str | None]) -> None:
        outcome = _outcome(done)
        failure = outcome.failure
        if outcome.lost is not None:
            handed.lost[outcome.lost] += 1
            if self._again(handed, outcome.lost):
                return
            times = counted(handed.lost[outcome.lost], "time")
            failure = f"It failed {times}: {outcome.lost} (what it said: {handed.job.log})"
        self._handed.discard(handed)
        if outcome.error is None:
            handed.future.set_result(failure)
        else:
            handed.future.set_exception(outcome.error)

    def _again(self, handed: _Handed, reason: str) -> bool:
        """Hand a job over anew, unless that was often enough or all are to stop."""
        with self._lock:
            if self._stopping or handed.lost[reason] >= _MOST[reason]:
                return False
            how = "continues elsewhere" if reason == _NODE else "begins again"
            _log.warning("%s %s: %s.", handed.job.name, how, reason)
            self._hand_over(handed)
            return True


def _answer(question: Future[int], needs: Needs) -> None:
    try:
        question.set_result(capacity(needs))
    except Exception as error:  # for who asks
        question.set_exception(error)


@dataclass(frozen=True)
class _Outcome:
    """How a task ended: well, or by one of these.

    Attributes:
        failure: of the job.
        error: for the thread that waits.
        lost: of :data:`_MOST`, no fault of the job's.
    """

    failure: str | None = None
    error: BaseException | None = None
    lost: str | None = None


def _outcome(done: Future[str | None]) -> _Outcome:
    from ray import exceptions

    try:
        return _Outcome(done.result())
    except exceptions.TaskCancelledError:
        return _Outcome(error=KeyboardInterrupt())
    except exceptions.RayTaskError as raised:
        if isinstance(raised.cause, Crashed):
            return _Outcome(str(raised.cause))
        if isinstance(raised.cause, Interrupted):
            return _Outcome(lost=_TOLD)
        return _Outcome(error=raised.cause)
    except exceptions.NodeDiedError:
        return _Outcome(lost=_NODE)
    except exceptions.OutOfMemoryError:
        return _Outcome(lost=_MEMORY)
    except exceptions.WorkerCrashedError:
        return _Outcome(lost=_PROCESS)
    except exceptions.RayError as raised:
        return _Outcome(" ".join(str(raised).split()))
    except Exception as raised:
        return _Outcome(error=raised)


def _task(needs: Needs) -> Any:
    """A Ray task that does a job with such needs."""
    import ray

    more = {"memory": needs.memory} if needs.memory else {}
    return ray.remote(
        num_cpus=needs.cores, num_gpus=needs.gpus, scheduling_strategy="SPREAD", max_retries=0,
        # A process keeps the GPU that it had first, and the next job may get another.
        max_calls=1 if needs.gpus else 0, **more,
    )(do)  # fmt: skip
