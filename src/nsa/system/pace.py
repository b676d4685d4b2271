"""How many threads a short piece of work is done with on a CPU that others use too.

The threads of one convolution wait for each other. On a busy machine one of them waits for a core,
and the others for it, again and again: with all threads a map may take ten times as long as with
one. Nothing that can be asked says how many are right (the load of a machine counts this process,
too, and a container sees that of its host), so it is found out by the time that the work takes.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import TypeVar

import torch

from nsa.system.device import torch_threads

Result = TypeVar("Result")

_TRIALS = 2  # of every number before it is judged: the first one also prepares things
_KEPT = 3  # times of which the best counts, so that one hiccup decides nothing
_SHARE = 0.02  # of the time goes into trying again what was slower


class Pace:
    """Does pieces of the same work with as many of torch's threads as were fastest lately.

    It begins with all, goes on to a half of them, a quarter and so on to one while that is faster,
    and tries the neighbours of the best number again now and then, so that it follows what
    else the machine does. Where torch has one thread, it only works. For use by several threads of
    a program at a time; one of them that begins to use torch right then may get as few threads.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._times: dict[int, deque[float]] = {}  # seconds a unit, by number of threads
        self._since: dict[int, float] = {}  # pieces since a number was tried last

    def run(self, work: Callable[[], Result], units: float) -> Result:
        """``work()``, which leaves torch's number of threads as it is.

        Args:
            units: how much work it is; the time is taken to be proportional to that.
        """
        most = torch.get_num_threads()
        if most == 1:
            return work()
        count = self.choose(most)
        begin = self._clock()
        with torch_threads(count):
            result = work()
        self.note(count, self._clock() - begin, units)
        return result

    def choose(self, most: int) -> int:
        """The number of threads for the next piece, at most ``most``."""
        tried = {count: min(times) for count, times in self._times.items() if count <= most}
        if len(self._times.get(most, ())) < _TRIALS:
            return most
        best = min(tried, key=lambda count: tried[count])
        for other in (best // 2, min(2 * best, most)):
            if other in (0, best):
                continue
            if len(self._times.get(other, ())) < _TRIALS:
                return other
            lost = max(tried[other] / tried[best] - 1, 0)  # in pieces of this work
            if self._since[other] * _SHARE >= lost:
                return other
        return best

    def note(self, count: int, seconds: float, units: float) -> None:
        """That a piece of so many units took so long with ``count`` threads."""
        kept = self._times.setdefault(count, deque(maxlen=_KEPT))
        kept.append(seconds / units)
        for number in self._times:
            self._since[number] = 0 if number == count else self._since.get(number, 0) + 1
