"""Work for later steps done in other threads, so that a step finds its own ready."""

from __future__ import annotations

import functools
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

Made = TypeVar("Made")


class Ahead(Generic[Made]):
    """Iterates over ``make(epoch, step)`` in order, made ahead of time by ``workers`` threads.

    Args:
        make: called once a position, from several threads at a time.
        positions: (epoch, step) of every step.
        workers: threads; 0: make each when it is asked for.
        most: how many results there may be that nobody has asked for yet, at least 1.

    Attributes:
        waited: seconds spent here so far instead of in a step. The first result counts for
            nothing: nobody can be ahead of it.
    """

    def __init__(
        self,
        make: Callable[[int, int], Made],
        positions: Iterable[tuple[int, int]],
        workers: int,
        most: int,
    ) -> None:
        self._make, self._positions, self._workers = make, positions, min(workers, most)
        self._most = most
        self.waited = 0.0
        self._first = True

    def __iter__(self) -> Generator[Made, None, None]:
        if self._workers == 0:
            for position in self._positions:
                yield self._timed(functools.partial(self._make, *position))
            return
        ready: deque[Future[Made]] = deque()
        pool = ThreadPoolExecutor(self._workers, thread_name_prefix="nsa-plan")
        try:
            for position in self._positions:
                ready.append(pool.submit(self._make, *position))
                if len(ready) == self._most:
                    yield self._timed(ready.popleft().result)
            while ready:
                yield self._timed(ready.popleft().result)
        finally:
            pool.shutdown(cancel_futures=True)

    def _timed(self, get: Callable[[], Made]) -> Made:
        start = time.perf_counter()
        made = get()
        if not self._first:
            self.waited += time.perf_counter() - start
        self._first = False
        return made
