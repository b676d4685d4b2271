"""What an executor is: where jobs are done, and how they get there."""

from __future__ import annotations

from concurrent.futures import Future
from types import TracebackType
from typing import Protocol

from nsa.errors import InputError
from nsa.jobs.job import Job


class LostError(InputError):
    """What does the jobs is gone; what they have saved is there."""


class Executor(Protocol):
    """Does jobs, several at once; a job that fails, or ends its worker, stops no other.

    It is used in a ``with`` block, which ends its workers, and by one thread.

    Attributes:
        queues: whether it takes jobs that wait for a place; their futures say whether they run.
    """

    queues: bool

    def __enter__(self) -> Executor: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    @property
    def room(self) -> int:
        """How many more jobs it takes now; asked for again and again while jobs run.

        Raises:
            LostError: it can do no more.
        """

    def start(self, job: Job) -> Future[str | None]:
        """Hand over a job, where there is room.

        Returns:
            Why the job failed, in a sentence or two; None: it did not.

        Raises:
            InputError: jobs of this kind cannot be done here.
        """

    def stop(self) -> None:
        """Have all jobs that run save and end, and wait until they have."""
