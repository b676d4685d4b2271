"""The number of threads of a training, on machines that are made up: cores, others, and noise."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from nsa.training.thread_choice import MOST_LOST, WARM_UP, ThreadChoice

Load = Callable[[float], float]  # busy processes at a time in seconds
HOUR = 3600.0


class Machine:
    """Cores, and others that take some of them; a step takes ``step`` seconds on one core.

    Threads that have cores of their own scale a little less than they should, as two do on the
    machine on which this was measured. Where they have not, all wait for the one that has least,
    which costs the share ``waiting`` of the speed.
    """

    waiting = 0.5

    def __init__(
        self, cores: int, load: Load, step: float = 2.0, noise: float = 0.0, seed: int = 0
    ) -> None:
        self.cores, self.load, self.step, self.noise = cores, load, step, noise
        self.rng, self.clock, self.idle = np.random.default_rng(seed), 0.0, 0.0

    def seconds(self, threads: int) -> float:
        """Of a step, as if there were no noise."""
        share = min(1.0, self.cores / (threads + self.load(self.clock)))
        left = 1 - self.waiting if share < 1 and threads > 1 else 1.0
        return self.step / (threads**0.8 * share * left)

    def run(self, threads: int) -> float:
        """Do a step; what it took."""
        took = self.seconds(threads) * float(np.exp(self.noise * self.rng.standard_normal()))
        self.idle += took * max(0.0, self.cores - threads - self.load(self.clock))
        self.clock += took
        return took


class Training:
    """A training that asks a :class:`ThreadChoice`, from its first step to the last."""

    def __init__(
        self, machine: Machine, steps: int, start: int | None = None, *, says_idle: bool = True
    ) -> None:
        self.changes: list[tuple[int, dict[int, float]]] = []
        self.used: list[int] = []
        self.took: list[float] = []
        choice = ThreadChoice(
            machine.cores, start or machine.cores, steps,
            lambda number, times: self.changes.append((number, times)),
            lambda: machine.idle if says_idle else None,
        )  # fmt: skip
        for _ in range(steps):
            self.used.append(choice.next)
            self.took.append(machine.run(choice.next))
            assert choice.after_step(self.took[-1]) == choice.next
        self.seconds, self.choice = machine.clock, choice


def fixed(machine: Machine, steps: int, threads: int) -> float:
    """Seconds of a training that always computes with one number of threads."""
    for _ in range(steps):
        machine.run(threads)
    return machine.clock


def best_fixed(make: Callable[[], Machine], steps: int) -> float:
    return min(fixed(make(), steps, threads) for threads in range(1, make().cores + 1))


@pytest.mark.parametrize("noise", [0.0, 0.03, 0.06])
@pytest.mark.parametrize("step", [0.02, 2.0])
@pytest.mark.parametrize("cores", [1, 2, 4, 8, 16])
def test_alone_it_is_as_fast_as_all_cores(
    cores: int, step: float, noise: float, fresh_seed: int
) -> None:
    steps = round((HOUR if step > 1 else HOUR / 12) / step)
    made = Training(Machine(cores, lambda _: 0, step, noise, fresh_seed), steps)
    assert set(made.used) <= set(range(1, cores + 1))
    assert made.choice.threads == cores
    assert not made.changes
    assert made.seconds < (1 + MOST_LOST + noise / 8) * fixed(
        Machine(cores, lambda _: 0, step, noise, fresh_seed), steps, cores
    )


@pytest.mark.parametrize("noise", [0.0, 0.05])
@pytest.mark.parametrize(
    ("cores", "busy"), [(2, 1), (2, 2), (2, 4), (4, 1), (4, 2), (8, 1), (8, 4), (8, 7), (16, 3)]
)
def test_beside_others_it_is_nearly_as_fast_as_the_best_number(
    cores: int, busy: int, noise: float, fresh_seed: int
) -> None:
    def make() -> Machine:
        return Machine(cores, lambda _: busy, noise=noise, seed=fresh_seed)

    made = Training(make(), 2000)
    assert made.seconds * 0.9 < best_fixed(make, 2000)
    assert made.seconds < fixed(make(), 2000, cores) * 1.03
    assert len(made.changes) < 4


@pytest.mark.parametrize("says_idle", [True, False])
def test_where_waiting_takes_nearly_all_time(says_idle: bool, fresh_seed: int) -> None:
    """Ten others on two cores: a step takes twelve seconds with two threads, and one with one."""

    class Crowded(Machine):
        waiting = 0.95

    def make() -> Machine:
        return Crowded(
            2, lambda now: 10 if now < 2400 else 0, step=0.2, noise=0.02, seed=fresh_seed
        )

    made = Training(make(), 8000, says_idle=says_idle)
    assert made.choice.threads == 2
    assert 2400 < made.seconds < 3800
    assert made.used.count(2) > 1500
    assert sum(took > 5 for took in made.took) < 8


@pytest.mark.parametrize(("seconds", "says_idle"), [(120, True), (600, True), (900, False)])
@pytest.mark.parametrize("cores", [2, 8])
def test_others_come_and_go(cores: int, seconds: float, says_idle: bool, fresh_seed: int) -> None:
    """It takes fewer threads while they are there, and all when they have gone."""

    def make() -> Machine:
        return Machine(
            cores, lambda now: int(now / seconds) % 2, noise=0.04, seed=fresh_seed, step=cores / 2
        )

    steps = 6000
    made = Training(make(), steps, says_idle=says_idle)
    assert len(made.changes) >= 4
    assert {number for number, _ in made.changes} >= {cores - 1, cores}
    assert made.seconds * 0.9 < best_fixed(make, steps)
    assert made.seconds * 1.1 < fixed(make(), steps, cores)


def test_a_load_that_comes_is_noticed_within_a_few_steps() -> None:
    made = Training(Machine(2, lambda now: now > 1000), 3000)
    assert [number for number, _ in made.changes] == [1]
    step = next(i for i, number in enumerate(made.used) if i > 100 and number == 1)
    alone = Machine(2, lambda _: 0).seconds(2)
    assert step - 1000 / alone < 12
    times = made.changes[0][1]
    assert times[1] * 1.2 < times[2]
    assert times[2] > 1.5 * alone


@pytest.mark.parametrize(("says_idle", "steps"), [(True, 12), (False, 250)])
def test_a_load_that_goes_is_noticed(says_idle: bool, steps: int) -> None:
    made = Training(Machine(2, lambda now: now < 1000), 3000, says_idle=says_idle)
    assert [number for number, _ in made.changes] == [1, 2]
    last = [i for i, number in enumerate(made.used) if number == 1][-1]
    assert last - 1000 / 2.0 < steps


def test_idle_cores_that_do_not_help_cost_little() -> None:
    """As in a container, which sees the idle cores of the machine and may not use them."""

    def make() -> Machine:
        return Machine(2, lambda _: 1)

    machine = make()
    changes: list[int] = []
    choice = ThreadChoice(
        2,
        2,
        3000,
        lambda number, _: changes.append(number),
        lambda: machine.clock * (1 + np.sin(machine.clock / 50)),
    )
    for _ in range(3000):
        choice.after_step(machine.run(choice.next))
    assert len(changes) == 1
    assert machine.clock < 1.04 * fixed(make(), 3000, 1)


def test_a_moment_changes_nothing() -> None:
    """The number in use is measured again before another is taken."""
    made = Training(Machine(2, lambda now: 500 < now < 507), 1500)
    assert not made.changes
    assert made.choice.threads == 2


def test_what_threads_do_not_mend_costs_little() -> None:
    """A processor that slows down by half again and again, whatever the number of threads."""

    class Throttled(Machine):
        def seconds(self, threads: int) -> float:
            return super().seconds(threads) * (1 + int(self.clock / 60) % 2)

    def make() -> Machine:
        return Throttled(2, lambda _: 0, step=1.0)

    made = Training(make(), 4000)
    assert not made.changes
    assert made.seconds < 1.03 * fixed(make(), 4000, 2)


@pytest.mark.parametrize(("cores", "step", "steps"), [(2, 0.2, 150), (8, 0.01, 3000), (1, 5, 900)])
def test_short_trainings_and_one_core_try_nothing(cores: int, step: float, steps: int) -> None:
    made = Training(Machine(cores, lambda _: 1, step), steps)
    assert set(made.used) == {cores}


def test_the_end_tries_nothing() -> None:
    machine = Machine(2, lambda now: now > 1000)
    made = Training(machine, round(1010 / machine.seconds(2)))
    assert made.used[WARM_UP + 20 :].count(1) == 0


def test_it_goes_on_with_the_last_number() -> None:
    made = Training(Machine(8, lambda _: 4), 2000, start=4)
    assert made.used[:4] == [4] * 4
    assert not made.changes
    assert Training(Machine(8, lambda _: 0), 2000, start=4).choice.threads == 8


def test_small_batches_say_nothing() -> None:
    """The last batch of an epoch is smaller, and would seem a gain or a loss."""
    alike = ThreadChoice(2, 2, 1000, lambda *_: pytest.fail("changed"))
    for step in range(1000):
        whole = step % 3 != 0
        alike.after_step((1.0 if alike.next == 2 else 1.7) if whole else 0.1, whole)
    assert alike.threads == 2
