"""The threads of a training on a CPU: as many as are fastest now, unless their number is fixed."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator

import torch

from nsa.system.console import counted
from nsa.system.cores import idle_seconds
from nsa.system.device import torch_threads
from nsa.training import Trainer
from nsa.training.thread_choice import ThreadChoice

_log = logging.getLogger("nsa")


@contextlib.contextmanager
def chosen_threads(
    trainer: Trainer, steps: int, whole: int, free: bool
) -> Iterator[Callable[[int], None]]:
    """Let torch, which all of a step follows, compute with the number of threads that is fastest.

    It begins with the last one in use, and is never more than torch has now, which it has again
    afterwards. The trainer's position notes what was used.

    Args:
        steps: how many are left.
        whole: images of a full batch.
        free: whether the number may change. With several ranks and on a GPU it never does.

    Yields:
        What is to be called after every step, with the number of its images.
    """
    if trainer.device.type != "cpu":
        yield lambda _: None
        return
    most, free = torch.get_num_threads(), free and trainer.ranks.count == 1
    start = min(trainer.position.threads or most, most) if free else most
    with torch_threads(start):
        yield _Threads(trainer, steps, whole, most, free).after_step


class _Threads:
    """Notes the time of every step, and asks with how many threads to do the next."""

    def __init__(self, trainer: Trainer, steps: int, whole: int, most: int, free: bool) -> None:
        self._position, self._whole = trainer.position, whole
        self._seconds, self._used = trainer.position.seconds, torch.get_num_threads()
        self._choice = (
            ThreadChoice(most, self._used, steps, self._say, idle_seconds) if free else None
        )

    def after_step(self, count: int) -> None:
        """A step of so many images is done."""
        position = self._position
        spent, self._seconds = position.seconds - self._seconds, position.seconds
        sums, used = position.seconds_by_threads, str(self._used)
        sums[used] = sums.get(used, 0.0) + spent
        position.threads = self._used
        if self._choice is None:
            return
        following = self._choice.after_step(spent, count == self._whole)
        position.threads = self._choice.threads
        if following != self._used:
            torch.set_num_threads(following)
            self._used = following

    def _say(self, threads: int, times: dict[int, float]) -> None:
        tried = ", ".join(
            f"{self._whole / seconds:.1f} images/s with {number}"
            for number, seconds in sorted(times.items(), reverse=True)
        )
        _log.info("From now on %s: %s.", counted(threads, "thread"), tried)
