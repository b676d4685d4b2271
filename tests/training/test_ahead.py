"""Results made ahead by threads: in order, awaited only if late, errors where they belong."""

from __future__ import annotations

import threading
import time

import pytest

from nsa.training.ahead import Ahead

POSITIONS = [(epoch, step) for epoch in range(4) for step in range(5)]


@pytest.mark.parametrize("workers", [0, 1, 3])
@pytest.mark.parametrize("most", [1, 2, 9, 99])
def test_results_come_in_order(workers: int, most: int) -> None:
    def make(epoch: int, step: int) -> tuple[int, int]:
        time.sleep(0.001 * ((7 * step + epoch) % 3))
        return epoch, step

    assert list(Ahead(make, iter(POSITIONS), workers, most)) == POSITIONS


def test_a_step_that_takes_longer_than_its_plan_never_waits() -> None:
    plans = Ahead(lambda *at: at, POSITIONS, 2, 6)
    for _ in plans:
        time.sleep(0.002)
    assert plans.waited < 0.01


def test_waiting_is_measured_from_the_second_result_on() -> None:
    def make(_epoch: int, _step: int) -> None:
        time.sleep(0.02)

    one = Ahead(make, POSITIONS[:1], 0, 1)
    assert len(list(one)) == 1
    assert one.waited == 0.0
    late = Ahead(make, POSITIONS[:4], 0, 1)
    assert len(list(late)) == 4
    assert late.waited >= 0.06


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_reaches_its_step(workers: int) -> None:
    def make(epoch: int, step: int) -> int:
        if (epoch, step) == (0, 2):
            raise ValueError("no plan")
        return step

    results = iter(Ahead(make, POSITIONS, workers, 4))
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ValueError, match="no plan"):
        next(results)


def test_leaving_early_ends_the_threads() -> None:
    made = []
    results = iter(Ahead(lambda *at: made.append(at), POSITIONS, 2, 6))
    next(results)
    results.close()
    assert len(made) < len(POSITIONS)
    assert not [t for t in threading.enumerate() if t.name.startswith("nsa-plan")]


@pytest.mark.parametrize("most", [1, 3, 7])
def test_no_more_are_made_than_may_be_ready(most: int) -> None:
    made: list[tuple[int, int]] = []
    results = iter(Ahead(lambda *at: made.append(at), POSITIONS, 4, most))
    for used in range(1, 8):
        next(results)
        time.sleep(0.02)  # time enough for more
        assert used <= len(made) < used + most
    results.close()
