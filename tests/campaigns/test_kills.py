"""Commands that are ended at any change they make to files: nothing is damaged or lost.

Afterwards the same command, or ``--resume``, ends as if nothing had happened: in the same weights,
scores and pictures, without anything left over.
"""

from __future__ import annotations

import signal
import time

import numpy as np
import pytest
from forks import Ended, Fault
from places import COMMANDS, Faults, Place, sentence, some

# Attempts with each command, times the effort; those below a half wait for more of it.
KILLS = {
    "train": 1, "train_gaussian": 0.4, "train_several": 0.1, "train_both": 0.2, "combine": 0.4,
    "calibrate": 2, "calibrate_again": 0.4, "predict": 2, "predict_scores": 0.4, "evaluate": 0.4,
    "evaluate_elsewhere": 0.2, "export": 0.2, "synthesize": 0.4, "reproduce": 0.4,
}  # fmt: skip
STOPPED = {"train": 1, "train_gaussian": 0.2, "train_both": 0.1, "predict": 0.2, "reproduce": 0.2}


def attempts(number: float) -> int:
    """So many, rounded; a test without any is skipped."""
    if round(number) == 0:
        pytest.skip("takes a greater --effort")
    return round(number)


def random_of(name: str, seed: int) -> np.random.Generator:
    return np.random.default_rng([seed, list(COMMANDS).index(name)])


def check_interrupted(ended: Ended) -> None:
    """A command that a person ended says so; one that had just finished need not."""
    assert ended.status in (0, 130), (ended.status, ended.said)
    assert "Traceback" not in ended.said, ended.said


def finish(place: Place, name: str) -> None:
    ended = place.go_on(name)
    assert ended.status == 0, ended.said
    place.check_finished(name)


@pytest.mark.parametrize("name", KILLS)
def test_killed_at_a_change(name: str, place: Place, attempts_seed: int, effort: float) -> None:
    count = attempts(KILLS[name] * effort)
    expected = place.undisturbed(name)
    with Faults() as faults:
        for point in some(expected.points(), count, random_of(name, attempts_seed)):
            with faults.of(expected.change(point)):
                place.begin()
                ended = place.run(name, Fault(point, point, -signal.SIGKILL))
                assert ended.status == -signal.SIGKILL, ended.said
                place.check_stopped(name, tidy=False)
                finish(place, name)


@pytest.mark.parametrize("name", KILLS)
def test_killed_at_a_moment(name: str, place: Place, attempts_seed: int, effort: float) -> None:
    count = attempts(KILLS[name] * effort / 5)  # they find little that the changes do not
    random, seconds = random_of(name, attempts_seed), place.undisturbed(name).seconds
    with Faults() as faults:
        for moment in random.uniform(0, seconds, count):
            with faults.of(f"after {moment:.2f} s"):
                place.begin()
                running = place.start(name)
                time.sleep(moment)
                running.kill(signal.SIGKILL)
                ended = running.wait()
                assert ended.status in (0, -signal.SIGKILL), ended.said
                place.check_stopped(name, tidy=False)
                finish(place, name)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
@pytest.mark.parametrize("name", STOPPED)
def test_stopped_by_a_signal(
    name: str, number: signal.Signals, place: Place, attempts_seed: int, effort: float
) -> None:
    count = attempts(STOPPED[name] * effort / 2)
    expected = place.undisturbed(name)
    random = np.random.default_rng([attempts_seed, list(STOPPED).index(name), number])
    with Faults() as faults:
        for point in some(expected.points(), count, random):
            with faults.of(expected.change(point)):
                place.begin()
                check_interrupted(place.run(name, Fault(point, point, -number)))
                # Python may stop right after a file is made, before anybody could remove it.
                place.check_stopped(name, tidy=not expected.change(point).count(": open "))
                finish(place, name)


@pytest.mark.parametrize("name", STOPPED)
def test_stopped_by_two_signals(name: str, place: Place, attempts_seed: int, effort: float) -> None:
    """As by a person who is impatient: Ctrl-C twice, at any moments."""
    count = attempts(STOPPED[name] * effort)
    random, seconds = random_of(name, attempts_seed), place.undisturbed(name).seconds
    with Faults() as faults:
        for moment in random.uniform(0.1 * seconds, seconds, count):
            with faults.of(f"after {moment:.2f} s"):
                place.begin()
                running = place.start(name)
                time.sleep(moment)
                running.kill(signal.SIGINT)
                time.sleep(random.uniform(0, 0.2 * seconds))
                running.kill(signal.SIGINT)
                check_interrupted(running.wait())
                place.check_stopped(name, tidy=False)
                finish(place, name)


@pytest.mark.parametrize("name", STOPPED)
def test_two_processes_in_one_folder(name: str, place: Place, effort: float) -> None:
    """One of them works; the other says in a sentence why it does not."""
    count = attempts(STOPPED[name] * effort)
    place.undisturbed(name)
    for _ in range(count):
        place.begin()
        running = [place.start(name) for _ in range(2)]
        ended = sorted((process.wait() for process in running), key=lambda end: end.status)
        assert [end.status for end in ended] == [0, 2], [end.said for end in ended]
        sentence(ended[1])
        place.check_finished(name)
