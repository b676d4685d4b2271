"""With how many threads a training computes on a CPU that others may use too: tried, and retried.

Threads wait for each other after every layer, so that one that has to share its core holds up all
of them: beside one busy process two threads on two cores take three times as long as alone, and
longer than one. What is fastest is not known before, and changes when others come and go.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Callable, Generator
from typing import NamedTuple, TypeAlias

WARM_UP = 1  # first steps with a number, which compile for it and allocate
LEAST_SECONDS = 60.0  # that must be left of a training to try anything in it
MOST_LOST = 0.02  # of a training, by trials that came to nothing
BETTER = 1.07  # times as fast: less is no reason to change

_BLOCK_SECONDS, _BLOCK_STEPS = 1.0, 3  # at least, of steps whose median counts
_LONG_SECONDS = 6.0  # of a block, for which fewer steps are enough
_HOPELESS, _HOPELESS_SECONDS = 1.25, 0.3  # a trial that takes so many times as long ends early
_ENOUGH = 2.5  # a number of threads that takes so many times as long needs no smaller one tried
# Times as long as at best: tried anew at once, or within what may be lost.
_DROP, _SLIGHT_DROP = 1.5, 1.25
_PROBING = 0.01  # of the time so far: what trials without a reason may have lost
_GUESS = 2.5  # times as long: steps with too many threads, where it is not known

Course: TypeAlias = Generator[int, float, None]  # numbers of threads to seconds of a step
Measuring: TypeAlias = Generator[int, float, float]


class _Trial(NamedTuple):
    """Numbers that are to be tried: which one first, and how long that may take.

    Attributes:
        share: of the time so far, that may have been lost then; None: :data:`MOST_LOST` of all.
        thorough: whether smaller numbers are tried too, and others if the first is no better.
    """

    first: int
    share: float | None
    thorough: bool = True


class ThreadChoice:
    """Says after every step how many threads the next one is to compute with.

    The first steps try fewer than there are, and the fastest number is taken. It is tried again
    when the speed has dropped by a third, and with fewer threads than there are now and then more:
    at once where the system says that cores have become idle.

    Times are medians of blocks of steps, and before a change both numbers are measured once more,
    so that neither chance nor what happened during the trial decides. Trials that do not pay lose
    at most :data:`MOST_LOST` of the time that the training takes, and there are none at its end.

    Args:
        most: the largest number, at least 1.
        start: the number in use, from 1 to ``most``.
        steps: how many are still to be done.
        changed: called at every change with the new number, and the median seconds of a step by
            number, of all that were tried.
        idle: seconds that cores have been idle so far, summed over them; None: nobody knows.

    Attributes:
        threads: the number in use, whatever is being tried.
        next: the number for the next step.
    """

    def __init__(
        self,
        most: int,
        start: int,
        steps: int,
        changed: Callable[[int, dict[int, float]], None],
        idle: Callable[[], float | None] = lambda: None,
    ) -> None:
        self.threads = start
        self._most, self._left, self._changed = most, steps, changed
        self._elapsed = self._lost = 0.0
        self._slower = _GUESS  # how much with all than with the number in use
        self._idle, self._last = idle, (0.0, 0.0)
        self._idle_cores, self._fewest_idle = 0.0, math.inf
        self._turn = True
        self._warm: set[int] = set()
        self._course = self._watch()
        self.next = next(self._course)

    def after_step(self, seconds: float, whole: bool = True) -> int:
        """Take note of a step that was computed with :attr:`next` threads.

        Args:
            whole: whether its batch was as large as others; if not, its time says nothing.

        Returns:
            :attr:`next`, which has changed perhaps.
        """
        self._elapsed += seconds
        self._left -= 1
        if whole:
            self.next = self._course.send(seconds)
        return self.next

    def _watch(self) -> Course:
        best = math.inf
        while True:
            usual = yield from self._measure(self.threads)
            trial = self._reason(usual, best)
            best = min(best, usual)
            if trial is not None and self._may_try(trial.first, usual, trial.share):
                best = yield from self._choose(usual, trial)
                self._newly_idle()
                self._fewest_idle = math.inf

    def _reason(self, usual: float, best: float) -> _Trial | None:
        """What should be tried, if anything, now that a step takes ``usual`` seconds."""
        idle = self._newly_idle()
        if self._most == 1:
            return None
        slower = usual / best
        if math.isinf(best) or slower > _SLIGHT_DROP:
            first = self._untried({self.threads: usual}, 1)
            share = _PROBING if _SLIGHT_DROP < slower <= _DROP else None
            return None if first is None else _Trial(first, share)
        if self.threads == self._most:
            return None
        if idle:
            self._slower = _GUESS  # what slowed them down is gone, perhaps
            return _Trial(min(self._most, self.threads + idle), None, thorough=False)
        self._turn = not self._turn
        first = self._most
        if self._turn:
            first = (self.threads + self._most + 1) // 2
        elif self._idle_cores >= 1:
            first = min(self._most, self.threads + int(self._idle_cores))
        return _Trial(first, _PROBING, thorough=False)

    def _newly_idle(self) -> int:
        """How many cores were idle since the last call that were not at times since a trial."""
        seconds = self._idle()
        if seconds is None:
            return 0
        idle, elapsed = seconds - self._last[0], self._elapsed - self._last[1]
        self._last = seconds, self._elapsed
        self._idle_cores = idle / max(elapsed, 1e-9)
        self._fewest_idle = min(self._fewest_idle, self._idle_cores)
        return round(self._idle_cores - self._fewest_idle)

    def _choose(self, usual: float, trial: _Trial) -> Measuring:
        """Try numbers, and take the fastest.

        Args:
            usual: seconds of a step with the number in use.

        Returns:
            Seconds of a step with the number that is now in use.
        """
        times = {self.threads: usual}
        wanted: int | None = trial.first
        lowest = 1 if trial.thorough else self.threads
        while wanted is not None and self._may_try(wanted, usual, trial.share):
            limit = _HOPELESS * min(times.values())
            times[wanted] = yield from self._measure(wanted, usual, limit)
            if not trial.thorough and times[trial.first] * BETTER > usual:
                break
            wanted = self._untried(times, lowest)
        best = min(times, key=lambda number: times[number])
        if self._most in times:
            self._slower = max(1.0, times[self._most] / times[best])
        if times[best] * BETTER < times[self.threads]:
            for one, other in ((self.threads, best), (best, self.threads)):
                limit = _HOPELESS * times[other]
                times[one] = yield from self._measure(one, times[best], limit)
                if times[best] * BETTER >= times[self.threads]:
                    return times[self.threads]
            self.threads = best
            self._changed(best, times)
        return times[self.threads]

    def _untried(self, times: dict[int, float], lowest: int) -> int | None:
        """What to try next: all, halves, then what lies between and may still be faster."""
        if self._most not in times:
            return self._most
        best, fewest = min(times.values()), min(times)
        half = fewest // 2
        # Where all are fastest, a quarter may still be faster than a half.
        enough = _ENOUGH if times[self._most] == best else _HOPELESS
        if half >= lowest and 8 * half >= self._most and times[fewest] < enough * best:
            return half
        tried = sorted(times, reverse=True)
        for high, low in itertools.pairwise(tried):
            # More threads are at most faster by their number.
            bound = times[low] * low / (high - 1)
            if high - low > max(1, low // 8) and bound * BETTER < best:
                return (low + high + 1) // 2
        return None

    def _may_try(self, threads: int, usual: float, share: float | None) -> bool:
        """Whether the training is long enough for a trial that may come to nothing."""
        left = self._left * usual
        longer = self.threads / threads if threads < self.threads else self._slower
        lost = self._lost + (longer - 1) * max(2 * usual, usual + _HOPELESS_SECONDS)
        spare = MOST_LOST * (self._elapsed + left) if share is None else share * self._elapsed
        return left >= LEAST_SECONDS and lost <= spare

    def _measure(
        self, threads: int, usual: float | None = None, limit: float = math.inf
    ) -> Measuring:
        """The median seconds of some steps.

        Args:
            usual: what a step of a trial would have taken else; None: this is no trial.
            limit: seconds of a step, above which a trial ends early.
        """
        took: list[float] = []
        warming = 0 if threads in self._warm else WARM_UP
        self._warm.add(threads)
        while True:
            took.append((yield threads))
            if usual is not None:
                self._lost += max(0.0, took[-1] - usual)
            if warming:
                warming -= 1
                took.clear()
                continue
            spent, median = sum(took), statistics.median(took)
            if spent >= _HOPELESS_SECONDS and median > limit:
                return median
            if spent >= (_BLOCK_SECONDS if len(took) >= _BLOCK_STEPS else _LONG_SECONDS):
                return median
