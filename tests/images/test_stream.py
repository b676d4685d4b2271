"""Images decoded ahead of their use, in groups of bounded size."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from nsa.errors import InputError
from nsa.images import stream
from nsa.images.stream import Pixels, groups, map_ahead


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as threads:
        yield threads


def test_results_keep_their_order(pool: ThreadPoolExecutor) -> None:
    def work(item: int) -> int:
        time.sleep(0.001 * (item % 3))  # later ones overtake
        return item**2

    assert list(map_ahead(work, range(40), pool, 4)) == [item**2 for item in range(40)]
    assert list(map_ahead(work, [], pool, 4)) == []


def test_ctrl_c_does_not_come_between_the_locks_of_a_pool() -> None:
    """Where it does, nobody can ever wait for the pool."""
    whole: list[int] = []

    class Pool(ThreadPoolExecutor):
        def submit(self, *work: Any, **more: Any) -> Future[Any]:
            if len(whole) == 5:
                signal.raise_signal(signal.SIGINT)
            future = super().submit(*work, **more)
            whole.append(1)
            return future

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with Pool(2) as pool, pytest.raises(KeyboardInterrupt):
            list(map_ahead(str, range(40), pool, 4))
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(whole) == 6


def test_work_runs_ahead_but_not_far(pool: ThreadPoolExecutor) -> None:
    started: list[int] = []
    third = threading.Event()

    def work(item: int) -> int:
        started.append(item)
        if len(started) == 3:
            third.set()
        return item

    results = map_ahead(work, range(100), pool, 3)
    assert next(results) == 0
    assert third.wait(10)
    assert len(started) == 3
    results.close()


def test_a_failure_comes_in_its_turn(pool: ThreadPoolExecutor) -> None:
    def work(item: int) -> int:
        if item == 2:
            raise InputError("damaged")
        return item

    results = map_ahead(work, range(5), pool, 5)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(InputError, match="damaged"):
        next(results)


def image(side: int) -> Pixels:
    return np.zeros((side, side, 3), np.uint8)


def test_groups_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "_IMAGES", 4)
    monkeypatch.setattr(stream, "_BYTES", image(20).nbytes)
    small, large, huge = image(2), image(15), image(50)
    sizes = [len(group) for group in groups([small] * 9)]
    assert sizes == [4, 4, 1]
    sizes = [len(group) for group in groups([large, large, small, huge, small, huge])]
    assert sizes == [1, 2, 1, 1, 1]  # an image that exceeds the bytes goes alone
    assert list(groups([])) == []
