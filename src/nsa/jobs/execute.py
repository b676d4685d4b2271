"""Do many jobs: whatever is not finished, in order; one that fails stops no other.

Whoever has jobs says what they are and what a person sees of them; the executor says where each of
them is done, and how many at once.
"""

from __future__ import annotations

import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from queue import Empty, SimpleQueue

from rich.console import RenderableType

from nsa.errors import InputError
from nsa.jobs.executor import Executor, LostError
from nsa.jobs.job import Job
from nsa.system.console import LiveView, console
from nsa.system.interrupt import Interrupted, StopRequest

_log = logging.getLogger("nsa")

WAITS, QUEUED, RUNS = "waits", "waits for a place", "runs"
FINISHED, FAILED, LEFT_OUT = "is finished", "failed", "is left out"
_SECONDS_BETWEEN_LOOKS = 0.5  # at signals, at places that become free elsewhere, and of a person


def execute(
    jobs: Sequence[Job],
    executor: Executor,
    draw: Callable[[Mapping[str, str]], RenderableType],
    further: str,
    *,
    lasting: bool = True,
    parts: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Do all jobs that are not finished, and wait for them.

    Args:
        jobs: in the order in which they begin; each has a name of its own.
        executor: does them; it is entered and left here.
        draw: what a person at a terminal sees, made of the states by name: :data:`WAITS`,
            :data:`QUEUED`, :data:`RUNS`, :data:`FINISHED`, :data:`FAILED` or :data:`LEFT_OUT`.
            Elsewhere the log says what begins and what ends.
        further: how to continue after a signal, which ends what is said then.
        lasting: what was drawn last stays at the terminal; else it vanishes.
        parts: names of jobs that are parts of another one -> its name. It begins when all of them
            have ended; if one has failed, that is why it does, and those that wait are left out.

    Returns:
        Why the failed ones did, by name; a job for its parts.

    Raises:
        InputError: a job cannot be looked at, or the executor cannot do it, or is lost.
        Interrupted: a signal came; what ran has saved and ended, or ended at a second Ctrl-C.
    """
    course = _Course(jobs, executor, parts or {})
    view = LiveView(lambda: draw(course.states), lasting=lasting)
    with StopRequest() as stop, view, executor:
        drawn = 0.0
        try:
            while course.left and not stop.made:
                started = course.start()
                if time.monotonic() - drawn >= _SECONDS_BETWEEN_LOOKS:
                    course.look()
                    view.update()
                    drawn = time.monotonic()
                course.wait(0 if started else _SECONDS_BETWEEN_LOOKS)
        except (Interrupted, KeyboardInterrupt):  # of a job in this process
            pass
        except LostError as error:
            said = f"{str(error).rstrip('.')}; {course.left} of {len(jobs)} left"
            raise InputError(f"{said}, what is finished stays; {further}") from error
        view.update()
        if not course.left:
            return course.failures
        if course.runs:
            _log.info("Stopping; every job saves first (Ctrl-C again does not wait).")
        done = "Stopped and saved"
        try:
            executor.stop()
        except KeyboardInterrupt:
            done = "Interrupted"
    raise Interrupted(f"{done}, {course.left} of {len(jobs)} left; {further}")


class _Course:
    """What has become of the jobs so far.

    Attributes:
        states, failures: by name.
        left: how many jobs wait or run.
    """

    def __init__(
        self, jobs: Sequence[Job], executor: Executor, whole_of: Mapping[str, str]
    ) -> None:
        self._count, self._executor, self._whole_of = len(jobs), executor, whole_of
        self.states = {job.name: FINISHED if job.is_finished() else WAITS for job in jobs}
        self._waiting = deque(job for job in jobs if self.states[job.name] == WAITS)
        self.left = len(self._waiting)
        self._parts_left = Counter(
            whole_of[job.name] for job in self._waiting if job.name in whole_of
        )
        self.failures: dict[str, str] = {}
        self._running: dict[Future[str | None], Job] = {}
        self._queued: set[Future[str | None]] = set()  # of these
        self._done: SimpleQueue[Future[str | None]] = SimpleQueue()

    @property
    def runs(self) -> bool:
        """Whether a job does."""
        return bool(self._running)

    def start(self) -> bool:
        """Hand over the next job, if there is room for one."""
        job = self._next() if self._executor.room > 0 else None
        if job is None:
            return False
        whole = self._whole(job)
        if whole in self.failures:  # by one of its parts
            self._end(job, FAILED if job.name == whole else LEFT_OUT)
            return True
        if job.is_finished():  # by others, meanwhile
            self._end(job, FINISHED)
            return True
        if self._executor.queues:
            self.states[job.name] = QUEUED
        else:
            self._begin(job)
        future = self._executor.start(job)
        self._running[future] = job
        if self._executor.queues:
            self._queued.add(future)
        future.add_done_callback(self._done.put)
        return True

    def _next(self) -> Job | None:
        """The first that waits for none of its parts, no longer among those that wait."""
        job = next((job for job in self._waiting if not self._parts_left[job.name]), None)
        if job is not None:
            self._waiting.remove(job)
        return job

    def _whole(self, job: Job) -> str:
        """The name of the job that a job is a part of, or its own."""
        return self._whole_of.get(job.name, job.name)

    def look(self) -> None:
        """Note which jobs have got a place."""
        for future in [future for future in self._queued if future.running()]:
            self._queued.remove(future)
            self._begin(self._running[future])

    def _begin(self, job: Job) -> None:
        self.states[job.name] = RUNS
        if not console.is_terminal:
            _log.info("%s runs.", job.name)

    def wait(self, seconds: float) -> None:
        """Note how a job has ended; wait for one, but not longer than this."""
        try:
            future = self._done.get(timeout=seconds)
        except Empty:
            return
        job = self._running.pop(future)
        self._queued.discard(future)
        try:
            failure = future.result()
        except (Interrupted, KeyboardInterrupt) as stop:  # which came to its worker alone
            failure = str(stop) or "It was interrupted."
        if failure is not None:
            self.failures.setdefault(self._whole(job), failure)
        self._end(job, FINISHED if failure is None else FAILED)

    def _end(self, job: Job, state: str) -> None:
        self.states[job.name] = state
        self.left -= 1
        if job.name in self._whole_of:
            self._parts_left[self._whole_of[job.name]] -= 1
        if not console.is_terminal:
            _log.info("%s %s; %d of %d left.", job.name, state, self.left, self._count)
