"""Training beside busy processes: fixed numbers of threads, and the number that a training chooses.

``python benchmarks/busy.py`` takes under five minutes on two cores. Loads follow each other, and
one training goes through them all, in turns with every fixed number, so that all see the same
machine. It believes that it has a thousand steps, which decides how much it may try.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from common import product_images

from nsa.settings.config import TrainConfig
from nsa.settings.presets import preset
from nsa.system.cores import idle_seconds, usable_cores
from nsa.system.device import choose_precision, keep_freed_memory
from nsa.training import Trainer
from nsa.training.thread_choice import ThreadChoice

BATCH = 8
STEPS = 1000  # that the training believes to have


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--loads", type=int, nargs="+", default=[0, 1, 2, 0], metavar="PROCESSES")
    parser.add_argument("--rounds", type=int, default=2, help="of each load (%(default)s)")
    parser.add_argument("--seconds", type=float, default=24, help="of a turn (%(default)s)")
    parser.add_argument("--fixed", type=float, default=5, help="of a fixed number (%(default)s)")
    return parser.parse_args()


@contextmanager
def busy(count: int) -> Iterator[None]:
    """So many processes that compute, one thread each."""
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


class Subject:
    """A trainer, and the choice that goes with it."""

    def __init__(self, most: int) -> None:
        bottle, device = preset("bottle"), torch.device("cpu")
        images = torch.from_numpy(product_images(4 * BATCH)).permute(0, 3, 1, 2)
        self.trainer = Trainer(
            images, bottle.synthesis, bottle.images, TrainConfig(batch_size=BATCH),
            device=device, precision=choose_precision("auto", device),
        )  # fmt: skip
        self.trainer.model.train()
        self.number, self.elsewhere, self.changes = 0, 0.0, 0
        torch.set_num_threads(most)
        for _ in range(3):
            self.step()
        self.choice = ThreadChoice(most, most, STEPS, self._say, self._idle)

    def step(self) -> float:
        """Seconds of one."""
        start = time.perf_counter()
        position = divmod(self.number, self.trainer.steps_per_epoch)
        self.trainer.train_step(*self.trainer.make_batch(*position))
        self.number += 1
        return time.perf_counter() - start

    def fixed(self, threads: int, seconds: float) -> list[float]:
        """Seconds of steps with a number of threads; the first is for warming up."""
        idle = idle_seconds() or 0.0
        torch.set_num_threads(threads)
        self.step()
        took = [self.step()]
        while sum(took) < seconds:
            took.append(self.step())
        self.elsewhere += (idle_seconds() or 0.0) - idle
        return took

    def chosen(self, seconds: float) -> tuple[list[float], list[int]]:
        """Seconds of steps with the number that is chosen, trials included, and these numbers."""
        took: list[float] = []
        used = []
        while sum(took) < seconds:
            torch.set_num_threads(self.choice.next)
            used.append(self.choice.next)
            took.append(self.step())
            self.choice.after_step(took[-1])
        return took, used

    def _idle(self) -> float | None:
        idle = idle_seconds()
        return None if idle is None else idle - self.elsewhere

    def _say(self, threads: int, times: dict[int, float]) -> None:
        found = ", ".join(f"{BATCH / took:.1f} with {n}" for n, took in sorted(times.items()))
        print(f"    from now on {threads} (images/s: {found})", flush=True)
        self.changes += 1


def rate(took: list[float]) -> float:
    """Images per second."""
    return BATCH * len(took) / sum(took)


def main() -> None:
    options = arguments()
    keep_freed_memory()  # as the commands do
    most = usable_cores()
    numbers = sorted({most, *(most >> n for n in range(most.bit_length() - 1)), 1}, reverse=True)
    subject = Subject(most)
    print(f"images/s, {most} cores, batches of {BATCH}, {subject.trainer.precision}")
    for load in options.loads:
        fixed: dict[int, list[float]] = {number: [] for number in numbers}
        took: list[float] = []
        used: list[int] = []
        print(f"beside {load} busy processes:", flush=True)
        with busy(load):
            for _ in range(options.rounds):
                for number in numbers:
                    fixed[number] += subject.fixed(number, options.fixed)
                times, tried = subject.chosen(options.seconds)
                took, used = took + times, used + tried
        best = max(rate(steps) for steps in fixed.values())
        late = took[len(took) // 2 :]
        print(
            "   ", ", ".join(f"{number}: {rate(steps):.1f}" for number, steps in fixed.items()),
            f"| chosen: {rate(took):.1f}, {rate(took) / best:.0%} of the best; second half "
            f"{rate(late):.1f}, {rate(late) / best:.0%}; mostly {statistics.mode(used)}",
            flush=True,
        )  # fmt: skip


if __name__ == "__main__":
    main()
