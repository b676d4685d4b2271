"""The number of threads that is found out by time."""

from __future__ import annotations

import pytest
import torch

from nsa.system.pace import Pace


def calls(pace: Pace, seconds: dict[int, float], count: int) -> list[int]:
    """The numbers of threads of so many pieces, which take as long as is said for each."""
    chosen = []
    for _ in range(count):
        chosen.append(pace.choose(max(seconds)))
        pace.note(chosen[-1], seconds[chosen[-1]], 1)
    return chosen


def test_a_quiet_machine_uses_all_threads() -> None:
    chosen = calls(Pace(), {1: 34, 2: 17}, 1000)
    assert chosen[:4] == [2, 2, 1, 1]
    assert 0.005 < chosen.count(1) / len(chosen) < 0.025  # costs a fiftieth


def test_a_busy_machine_uses_one_and_a_quiet_one_all_again() -> None:
    pace = Pace()
    calls(pace, {1: 34, 2: 17}, 50)
    chosen = calls(pace, {1: 40, 2: 700}, 1000)
    assert chosen[:3].count(2) >= 2  # one hiccup decides nothing
    lost = sum({1: 0, 2: 660}[count] for count in chosen[4:])
    assert lost < 0.03 * 40 * 1000
    assert set(calls(pace, {1: 34, 2: 17}, 2000)[-1000:-20]) >= {2}
    assert calls(pace, {1: 34, 2: 17}, 100).count(2) > 90


def test_many_threads_go_down_to_the_best_number() -> None:
    pace = Pace()
    calls(pace, {8: 9, 4: 6, 2: 5, 1: 8}, 50)
    chosen = calls(pace, {8: 9, 4: 6, 2: 5, 1: 8}, 300)
    assert chosen.count(2) > 250
    assert 8 not in chosen  # no neighbour


def test_a_hiccup_changes_nothing() -> None:
    pace = Pace()
    calls(pace, {1: 34, 2: 17}, 10)
    pace.note(2, 500, 1)
    assert pace.choose(2) == 2


def test_work_is_done_and_the_number_of_threads_is_kept() -> None:
    before, seen = torch.get_num_threads(), []
    try:
        torch.set_num_threads(2)
        pace = Pace(iter(range(100)).__next__)
        for number in range(6):
            assert pace.run(lambda: seen.append(torch.get_num_threads()) or len(seen), 1) > number
            assert torch.get_num_threads() == 2

        def fail() -> None:
            raise ValueError("no result")

        with pytest.raises(ValueError, match="no result"):
            pace.run(fail, 1)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert seen[:4] == [2, 2, 1, 1]
