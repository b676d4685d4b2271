"""A first signal is noted, a second Ctrl-C interrupts, and handlers are put back."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator

import pytest

from nsa.system.interrupt import StopRequest, ended_as_by_ctrl_c, ending_signals, undisturbed

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no POSIX signals")
if sys.platform != "win32":
    ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture(autouse=True)
def before() -> Iterator[None]:
    """Handlers as a command finds them that was started at a terminal, and after it."""
    kept = {number: signal.getsignal(number) for number in ENDING}
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in the background of a shell
    handlers = [signal.getsignal(number) for number in ENDING]
    yield
    assert [signal.getsignal(number) for number in ENDING] == handlers
    for number, handler in kept.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", ENDING)
def test_a_signal_is_noted_and_ctrl_c_after_it_interrupts(number: signal.Signals) -> None:
    with StopRequest() as stop:
        assert not stop.made
        signal.raise_signal(number)
        assert stop.made
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_signals_of_a_terminal_that_closes_come_in_groups() -> None:
    with StopRequest() as stop:
        for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGHUP, signal.SIGTERM):
            signal.raise_signal(number)
        assert stop.made


@pytest.mark.parametrize("number", ENDING)
def test_outside_a_training_all_end_as_ctrl_c_does(number: signal.Signals) -> None:
    cleaned = []

    def work() -> None:
        with ended_as_by_ctrl_c():
            try:
                signal.raise_signal(number)
            finally:
                if number != signal.SIGINT:
                    signal.raise_signal(signal.SIGTERM)
                    signal.raise_signal(signal.SIGHUP)
                cleaned.append(True)

    with pytest.raises(KeyboardInterrupt):
        work()
    assert cleaned


def test_nohup_stays_in_force() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    assert ending_signals() == [signal.SIGINT, signal.SIGTERM]
    with ended_as_by_ctrl_c(), StopRequest() as stop:
        signal.raise_signal(signal.SIGHUP)
        assert not stop.made
    assert signal.signal(signal.SIGHUP, signal.SIG_DFL) is signal.SIG_IGN


@pytest.mark.parametrize("number", ENDING)
def test_a_block_is_not_disturbed(number: signal.Signals) -> None:
    """A signal that comes in it has its effect right after it, and only once."""
    done: list[str] = []

    def work() -> None:
        with undisturbed():
            signal.raise_signal(number)
            signal.raise_signal(number)
            done.append("block")
        done.append("after")

    with ended_as_by_ctrl_c():
        handlers = [signal.getsignal(one) for one in ENDING]
        work_ended = False
        try:
            work()
        except KeyboardInterrupt:
            work_ended = True
        if number == signal.SIGINT:  # the others ignore what comes after them
            assert [signal.getsignal(one) for one in ENDING] == handlers
    assert work_ended
    assert done == ["block"]


def test_what_nobody_handles_ends_a_process_even_then() -> None:
    with undisturbed():
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
        assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_other_threads_train_without_signals() -> None:
    seen: list[bool] = []

    def work() -> None:
        with ended_as_by_ctrl_c(), undisturbed(), StopRequest() as stop:
            seen.append(stop.made)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False]
