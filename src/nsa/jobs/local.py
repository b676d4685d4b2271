"""Jobs in worker processes of this machine, spread over its devices."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.context import SpawnContext, SpawnProcess
from types import TracebackType
from typing import Any

from nsa.errors import InputError
from nsa.jobs import worker
from nsa.jobs.attempt import Crashed, how_it_died
from nsa.jobs.job import Job
from nsa.system.cores import PROCESSES, usable_cores
from nsa.system.streams import open_closed

_SECONDS_TO_END = 10.0  # for a process whose pipes have closed


class LocalExecutor:
    """Does jobs in processes that load this package once and then do one job after the other.

    Each is a pool of its own, so that a job that ends its process, as when memory runs out, costs
    no other: the next job of that place gets a new process.

    Args:
        devices: over how many GPUs the jobs are spread; 1 on a CPU.
        at_once: most jobs side by side, on all of them together.
    """

    queues = False

    def __init__(self, devices: int, at_once: int) -> None:
        self._free = [
            _Place(worker_environment(number % devices, at_once))
            for number in reversed(range(at_once))
        ]
        self._running: dict[Future[str | None], _Place] = {}

    def __enter__(self) -> LocalExecutor:
        open_closed()  # before there are pipes to the processes
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        for place in self._free:
            place.close()

    @property
    def room(self) -> int:
        """See :attr:`nsa.jobs.executor.Executor.room`."""
        for future in [future for future in self._running if future.done()]:
            self._free.append(self._running.pop(future))
        return len(self._free)

    def start(self, job: Job) -> Future[str | None]:
        """See :meth:`nsa.jobs.executor.Executor.start`."""
        place = self._free.pop()
        try:
            future = place.start(job)
        except BaseException:
            self._free.append(place)
            raise
        self._running[future] = place
        return future

    def stop(self) -> None:
        """See :meth:`nsa.jobs.executor.Executor.stop`; Ctrl-C meanwhile ends them unsaved."""
        try:
            self._interrupt()
            wait(self._running)
        except KeyboardInterrupt:
            self._interrupt()
            wait(self._running)
            raise
        finally:
            _ = self.room

    def _interrupt(self) -> None:
        for future, place in self._running.items():
            if not future.done():
                place.interrupt()


class _Process(SpawnProcess):
    """A process that knows nothing of the main module, and begins without Ctrl-C.

    It imports what it needs. A script that calls us, and has no guard for its main part, would run
    in it again.
    """

    def start(self) -> None:
        main = sys.modules["__main__"]
        spec, file = main.__spec__, vars(main).pop("__file__", None)
        main.__spec__ = None
        try:
            with _ctrl_c_held():
                super().start()
        finally:
            main.__spec__ = spec
            if file is not None:
                main.__file__ = file


@contextlib.contextmanager
def _ctrl_c_held() -> Iterator[None]:
    """Let Ctrl-C wait, also in processes that begin in the block."""
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Context(SpawnContext):
    """Where a pool begins its process, which stays known."""

    process: _Process

    def Process(self, *args: Any, **more: Any) -> _Process:  # type: ignore[override]  # noqa: N802
        self.process = _Process(*args, **more)
        return self.process


class _Place:
    """A place for one job at a time: a process, which is begun when it is needed.

    Args:
        environment: variables that the process has of its own.
    """

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment, self._context = environment, _Context()
        self._pool: ProcessPoolExecutor | None = None

    def start(self, job: Job) -> Future[str | None]:
        try:
            done = self._submit(job)
        except BrokenProcessPool:  # its process has died without a job
            self.close()
            done = self._submit(job)
        future: Future[str | None] = Future()
        done.add_done_callback(lambda done: self._end(job, done, future))
        return future

    def _submit(self, job: Job) -> Future[str | None]:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                1, self._context, worker.begin, (self._environment, job.log)
            )
        try:
            return self._pool.submit(worker.do, job)
        except OSError as error:
            raise InputError(
                f"Cannot start a process for {job.name}: {error.strerror or error}; with fewer "
                "--jobs-per-device there may be room."
            ) from error

    def _end(self, job: Job, done: Future[str | None], future: Future[str | None]) -> None:
        """Say how a job ended, in the thread that the pool has for that."""
        try:
            failure = done.result()
        except Crashed as error:
            failure = str(error)
            self.close()
        except BrokenProcessPool:
            process = self._context.process
            process.join(_SECONDS_TO_END)
            failure = how_it_died(process.exitcode, job)
            # The pool is closed by whoever starts the next job: it may hold its lock here.
        except BaseException as error:
            future.set_exception(error)
            return
        future.set_result(failure)

    def interrupt(self) -> None:
        process = self._context.process.pid
        assert process is not None
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGINT)

    def close(self) -> None:
        """Let the process end after its job; another one will begin in its place."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=False)


def worker_environment(device: int, at_once: int) -> dict[str, str]:
    """The variables of a worker that has ``device`` among ``at_once`` workers side by side."""
    environment = {PROCESSES: str(at_once)}
    if "LOCAL_RANK" not in os.environ:
        environment["LOCAL_RANK"] = str(device)
    if "OMP_NUM_THREADS" not in os.environ:
        # They share the cores; more threads than cores only slow each other down.
        environment["OMP_NUM_THREADS"] = str(max(1, usable_cores() // at_once))
    return environment
