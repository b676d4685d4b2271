"""A first signal is noted, a second one interrupts, and handlers are put back."""

import signal
import threading

import pytest

from nsa.system.interrupt import StopRequest


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_first_and_second_signal(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with StopRequest() as stop:
        assert not stop.made
        signal.raise_signal(number)
        assert stop.made
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
    assert signal.getsignal(number) is before


def test_other_threads_train_without_signals() -> None:
    seen: list[bool] = []

    def work() -> None:
        with StopRequest() as stop:
            seen.append(stop.made)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False]
